//! The names that models call a server's tools by: letters, digits, `_` and `-`, at most 64, no two the same.

/// Longest name that every provider takes.
pub const LONGEST: usize = 64;

/// Digits of the mark that stands for what a long name has lost.
const MARK: usize = 8;

/// True for a character that every provider takes in the name of a tool.
pub const fn fits(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}

/// The name of a tool behind a prefix. What is too long ends in a mark of its whole, so that two long names stay two.
pub fn offered(prefix: &str, name: &str) -> String {
    let whole: String =
        prefix.chars().chain(name.chars()).map(|character| if fits(character) { character } else { '_' }).collect();
    if whole.len() <= LONGEST {
        return whole;
    }
    let kept = whole.get(..LONGEST - MARK - 1).unwrap_or_default();
    format!("{kept}_{:08x}", mark(prefix, name))
}

/// The name, or with a number behind it if somebody has that name already.
pub fn free(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut free = name.to_owned();
    let mut number = 2_u32;
    while is_taken(&free) {
        let behind = format!("_{number}");
        let kept = name.get(..name.len().min(LONGEST - behind.len())).unwrap_or_default();
        free = format!("{kept}{behind}");
        number += 1;
    }
    free
}

/// FNV-1a: the same in every build, since conversations outlive the process.
fn mark(prefix: &str, name: &str) -> u32 {
    let bytes = prefix.bytes().chain(name.bytes());
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_put_behind_their_prefix() {
        assert_eq!(offered("time_", "get_current_time"), "time_get_current_time");
        assert_eq!(offered("", "files/read.all é"), "files_read_all__");
    }

    #[test]
    fn long_names_stay_apart() {
        let long = "x".repeat(80);
        let (one, other) = (offered("a_", &format!("{long}1")), offered("a_", &format!("{long}2")));
        assert_eq!((one.len(), other.len()), (LONGEST, LONGEST));
        assert_ne!(one, other);
    }

    proptest! {
        #[test]
        fn every_tool_gets_a_name_of_its_own_that_all_providers_take(
            prefix in "[a-z]{0,70}", tools in proptest::collection::vec("[a-c./é]{1,3}|x{60,70}", 0..40)
        ) {
            let mut taken = BTreeSet::new();
            for tool in &tools {
                let name = free(&offered(&prefix, tool), |name| taken.contains(name));
                prop_assert!(!name.is_empty() && name.len() <= LONGEST && name.chars().all(fits), "{name}");
                prop_assert!(taken.insert(name));
            }
        }
    }
}
