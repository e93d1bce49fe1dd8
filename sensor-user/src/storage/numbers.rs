//! Severities and evidence levels as the integers of the columns, and back.
//!
//! A number that this version does not know may come from a newer version or from a damaged page. It is no error: the row is
//! read, and says no more than the number surely does.

use sensor_core::level::{EvidenceLevel, Severity};

/// What the column has for a severity: 0 where there is none, as in summaries of connections.
pub(super) fn of_severity(severity: Option<Severity>) -> i64 {
    severity.map_or(0, |severity| severity.number().into())
}

/// The severity of a number: of one between two severities the lower, of one above all of them the highest, and none of one below
/// all of them. So it is as in SQL, where the filters and the order compare the numbers.
pub(super) fn severity(number: i64) -> Option<Severity> {
    Severity::ALL.into_iter().rfind(|severity| i64::from(severity.number()) <= number)
}

/// What the column has for an evidence level: it rises with it.
pub(super) const fn of_level(level: EvidenceLevel) -> i64 {
    match level {
        EvidenceLevel::Attempt => 0,
        EvidenceLevel::Refused => 1,
        EvidenceLevel::Answered => 2,
        EvidenceLevel::Connected => 3,
        EvidenceLevel::Smb => 4,
        EvidenceLevel::Credential => 5,
        EvidenceLevel::Session => 6,
        EvidenceLevel::Share => 7,
        EvidenceLevel::Data => 8,
    }
}

/// The evidence level of a number; none of an unknown one, because a level that is too high would claim what nobody saw.
pub(super) fn level(number: i64) -> Option<EvidenceLevel> {
    EvidenceLevel::ALL.into_iter().find(|level| of_level(*level) == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_columns_stay_and_are_read_back() {
        let severities = [None].into_iter().chain(Severity::ALL.map(Some));
        assert_eq!(severities.clone().map(of_severity).collect::<Vec<_>>(), [0, 21, 47, 73, 99]);
        assert!(severities.clone().all(|one| severity(of_severity(one)) == one));
        assert_eq!(EvidenceLevel::ALL.map(of_level), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(EvidenceLevel::ALL.into_iter().all(|one| level(of_level(one)) == Some(one)));
    }

    #[test]
    fn unknown_numbers_say_no_more_than_is_sure() {
        let expected = [
            (i64::MIN, None),
            (20, None),
            (46, Some(Severity::Low)),
            (98, Some(Severity::High)),
            (100, Some(Severity::Critical)),
            (i64::MAX, Some(Severity::Critical)),
        ];
        for (number, known) in expected {
            assert_eq!(severity(number), known, "{number}");
        }
        assert_eq!([-1, 9, i64::MAX].map(level), [None; 3]);
    }
}
