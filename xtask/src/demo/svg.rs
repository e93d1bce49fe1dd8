//! Draws text as a picture of a terminal.

use std::fmt::Write;

/// Width of a character and height of a line, in the units of the picture.
const CHARACTER: f32 = 7.8;
const LINE: usize = 18;
/// Space around the text, and height of the window's title bar.
const MARGIN: usize = 16;
const TITLE: usize = 28;

/// The colours of words that say how bad something is.
const SEVERITIES: [(&str, &str); 4] =
    [("critical", "#ff7b72"), ("high", "#ffa657"), ("medium", "#e3b341"), ("low", "#79c0ff")];

/// Draws `text`, each of its lines on a line of the terminal. A line that begins with a severity has it in colour, and a line that
/// begins with `$` is a command.
pub(super) fn draw(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let columns = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    let columns = u16::try_from(columns).unwrap_or(u16::MAX);
    let width = (f32::from(columns) * CHARACTER).ceil() as usize + 2 * MARGIN;
    let height = lines.len() * LINE + 2 * MARGIN + TITLE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-label=\"Terminal output of the demo\">\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#0d1117\"/>\n"
    );
    for (position, colour) in [(20, "#ff5f57"), (40, "#febc2e"), (60, "#28c840")] {
        let _ = writeln!(svg, "<circle cx=\"{position}\" cy=\"18\" r=\"6\" fill=\"{colour}\"/>");
    }
    svg += "<g font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"13\" \
            fill=\"#c9d1d9\" xml:space=\"preserve\">\n";
    for (number, line) in lines.iter().enumerate() {
        let y = TITLE + MARGIN + LINE * number + 13;
        let length = f32::from(u16::try_from(line.chars().count()).unwrap_or(u16::MAX)) * CHARACTER;
        if length > 0.0 {
            // The length keeps columns aligned whatever font is used.
            let _ = writeln!(
                svg,
                "<text x=\"{MARGIN}\" y=\"{y}\" textLength=\"{length:.1}\" lengthAdjust=\"spacingAndGlyphs\">{}</text>",
                coloured(line)
            );
        }
    }
    svg + "</g>\n</svg>\n"
}

fn coloured(line: &str) -> String {
    if line.starts_with("$ ") {
        return format!("<tspan fill=\"#7ee787\">{}</tspan>", escaped(line));
    }
    let begin = line.len() - line.trim_start().len();
    let word = line[begin..].split(' ').next().unwrap_or_default();
    let severity = SEVERITIES.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
    match severity {
        Some((_, colour)) => {
            let (before, rest) = (&line[..begin], &line[begin + word.len()..]);
            let word = format!("<tspan fill=\"{colour}\" font-weight=\"bold\">{}</tspan>", escaped(word));
            format!("{}{word}{}", escaped(before), escaped(rest))
        }
        None => escaped(line),
    }
}

/// Text for XML, with spaces that no renderer folds.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '&' => escaped += "&amp;",
            ' ' => escaped.push('\u{a0}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_text_and_colours_severities() {
        let svg = draw("$ smb-sensor alerts\ncritical  <a&b>\nCRITICAL  x\nplain\n");
        assert!(svg.contains(">critical</tspan>\u{a0}\u{a0}&lt;a&amp;b&gt;</text>"), "{svg}");
        assert!(svg.contains("#ff7b72\" font-weight=\"bold\">CRITICAL</tspan>"), "{svg}");
        assert!(svg.contains(">plain</text>"), "{svg}");
        assert!(svg.contains("#7ee787\">$\u{a0}smb-sensor\u{a0}alerts</tspan>"), "{svg}");
    }

    #[test]
    fn picture_is_as_large_as_the_text() {
        let svg = draw(&format!("{}\nshort\n", "x".repeat(100)));
        assert!(svg.contains("viewBox=\"0 0 812 96\""), "{svg}");
    }
}
