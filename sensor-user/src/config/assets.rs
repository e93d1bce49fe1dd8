//! `[assets]`: the inventory of own hosts.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use sensor_core::asset::Assets;
use toml_span::de_helpers::TableHelper;

use super::{reader::Reader, value::non_empty};
use crate::assets;

/// Reads the section and the file that it names.
pub(super) fn read(
    reader: &mut Reader,
    table: &mut TableHelper<'_>,
    folder: &Path,
) -> (Option<PathBuf>, Arc<Assets>) {
    let (mut file, mut inventory) = (None, Assets::default());
    reader.section(table, "assets", |reader, table| {
        let Some((_, mut value)) = table.take("file") else { return };
        let span = value.span;
        file = reader.checked("file", &mut value, |path: String| {
            non_empty(&path, "the file of an inventory").map(|()| folder.join(path))
        });
        match file.as_deref().map(assets::read) {
            Some(Ok(read)) => inventory = read,
            Some(Err(wrong)) => reader.unread_assets.push((span, wrong.to_string())),
            None => {}
        }
    });
    (file, Arc::new(inventory))
}

#[cfg(test)]
mod tests {
    use crate::config::{BadThreatList, file};

    #[test]
    fn bad_inventory_is_a_mistake_at_the_start_and_left_out_by_a_reload() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hosts.csv");
        let text = "[assets]\nfile = \"hosts.csv\"\n";
        std::fs::write(&path, "10.0.1.2,fs01\n").unwrap();
        let config = file::parse(text, folder.path(), BadThreatList::Refused).unwrap();
        assert_eq!((config.assets.len(), config.assets_file), (1, Some(path.clone())));
        std::fs::write(&path, "10.0.1.2,fs01\n10.0.1.300,fs02\n").unwrap();
        let problem = file::parse(text, folder.path(), BadThreatList::Refused).unwrap_err().remove(0);
        assert_eq!((problem.line, problem.column), (2, 9));
        assert!(problem.message.contains("hosts.csv, line 2: \"10.0.1.300\""), "{problem}");
        let spared = file::parse(text, folder.path(), BadThreatList::LeftOut).unwrap();
        assert_eq!((spared.assets.len(), spared.unread_assets), (0, vec![problem]));
        let wrong = file::parse("[assets]\nfile = \"\"\n", folder.path(), BadThreatList::LeftOut);
        assert_eq!(wrong.unwrap_err().len(), 1);
    }
}
