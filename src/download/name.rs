//! File names that can do no harm.

use std::collections::{HashMap, HashSet};

use percent_encoding::percent_decode_str;

use super::part::PART;
use crate::transport::{is_unseen, parse_url};
use crate::types::DownloadLink;

/// The longest name, in bytes, that every common file system takes.
const LONGEST: usize = 255;

/// A longer end of a name is not taken for its extension.
const LONGEST_EXTENSION: usize = 16;

/// Room for a number in a long name: as long as ` (18446744073709551615)`, the largest one.
const ROOM_FOR_NUMBER: &str = " (____________________)";

/// Returns a file's name as the link gives it: its `file_name`, else the last segment of its URL,
/// percent-decoded.
pub(super) fn given_name(link: &DownloadLink) -> String {
    if let Some(name) = &link.file_name
        && !name.trim().is_empty()
    {
        return name.clone();
    }
    let Some(url) = &link.download_link else {
        return String::new();
    };
    let Ok(uri) = parse_url("url", url.as_str(), false) else {
        return String::new();
    };
    let segment = uri.path().rsplit('/').next().unwrap_or_default();
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

/// Returns the names under which files with these given names are written to one folder: each is
/// safe, and no two are the same to a file system that ignores case.
///
/// The first file of each name keeps it, so that no number takes a name that another link brings.
pub(super) fn names_on_disk(given: &[String]) -> Vec<String> {
    let mut names: Vec<String> = given.iter().map(|name| safe_name(name)).collect();
    let mut taken = HashSet::new();
    let mut again = Vec::new();
    for name in &mut names {
        if !taken.insert(folded(name)) {
            again.push(name);
        }
    }
    let mut numbers = Numbers::default();
    for name in again {
        *name = numbers.next_free(name, &mut taken);
    }
    names
}

/// The numbers that were given to names.
///
/// Long names that are cut to the same stem share a counter, so that each number is tried once.
/// With a counter for each name, the work would grow with the square of their count.
#[derive(Default)]
struct Numbers(HashMap<String, u64>);

impl Numbers {
    /// Returns the name with the next number that makes it a free one, and takes it.
    fn next_free(&mut self, name: &str, taken: &mut HashSet<String>) -> String {
        let stem = folded(&shortened(name, ROOM_FOR_NUMBER));
        let number = self.0.entry(stem).or_insert(1);
        loop {
            *number += 1;
            let numbered = shortened(name, &format!(" ({number})"));
            if taken.insert(folded(&numbered)) {
                return numbered;
            }
        }
    }
}

/// Returns a text that is the same for names that are one to a file system without case.
///
/// Upper case brings together what only some file systems take for equal, such as `ß` and `SS`.
/// Lower case comes before it, since `ẞ` has no upper case and would stay apart from `ß`.
fn folded(name: &str) -> String {
    name.to_lowercase().to_uppercase().to_lowercase()
}

/// Returns a name that stays in its folder, is visible there, and is allowed on every common file
/// system. A name that is so already is returned as it is.
pub(super) fn safe_name(given: &str) -> String {
    let mut name = given.to_owned();
    // Cutting a name can make it unsafe, and mending it can make it too long. Both are repeated
    // until nothing changes, at most three times.
    loop {
        let next = shortened(&mended(&name), "");
        if next == name {
            return name;
        }
        name = next;
    }
}

/// Takes out of a name what makes it unsafe, whatever its length.
fn mended(given: &str) -> String {
    let name: String = given
        .chars()
        .map(|c| if is_harmless(c) { c } else { '_' })
        .collect();
    // Windows drops dots and spaces from the end of a name.
    let name = name.trim_start_matches(' ').trim_end_matches(['.', ' ']);
    if name.is_empty() {
        return "unnamed".to_owned();
    }
    let mut safe = name.trim_start_matches(['.', ' ']).to_owned();
    if name.starts_with('.') || is_reserved(&safe) {
        safe.insert(0, '_');
    }
    // Files on their way have such names.
    if safe.to_ascii_lowercase().ends_with(PART) {
        safe.push('_');
    }
    safe
}

/// Whether a character is neither a separator nor otherwise refused by Windows, and can be seen.
/// All white space but the plain space counts as unseen, since names that differ in it look alike.
fn is_harmless(c: char) -> bool {
    let refused = matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    !refused && !is_unseen(c) && (c == ' ' || !c.is_whitespace())
}

/// Whether Windows takes a name for a device, as it does in every folder and with every extension.
fn is_reserved(name: &str) -> bool {
    let stem = name
        .split('.')
        .next()
        .unwrap_or_default()
        .trim_end_matches(' ')
        .to_ascii_uppercase();
    let port = stem.strip_suffix(|c| matches!(c, '0'..='9' | '¹' | '²' | '³'));
    matches!(
        stem.as_str(),
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$"
    ) || matches!(port, Some("COM" | "LPT"))
}

/// Returns the name with `insert` before its extension, its stem cut so that the whole is not too
/// long.
fn shortened(name: &str, insert: &str) -> String {
    let (stem, extension) = match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= LONGEST_EXTENSION => name.split_at(dot),
        _ => (name, ""),
    };
    let room = LONGEST - insert.len() - extension.len();
    let mut stem = stem.to_owned();
    while stem.len() > room {
        stem.pop();
        stem.truncate(stem.trim_end_matches(['.', ' ']).len());
    }
    stem + insert + extension
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_made_safe_and_no_more_than_that() {
        for (given, safe) in [
            // Left as they are.
            ("DSC_0001.JPEG", "DSC_0001.JPEG"),
            ("a (2) #1 100%.jpg", "a (2) #1 100%.jpg"),
            ("caf\u{e9} 🏠.jpg", "caf\u{e9} 🏠.jpg"),
            ("CONTACT.jpg", "CONTACT.jpg"),
            ("COM10.jpg", "COM10.jpg"),
            ("-rf.jpg", "-rf.jpg"),
            // Leaving the folder.
            ("../../etc/passwd", "__.._etc_passwd"),
            ("..\\..\\boot.ini", "__.._boot.ini"),
            ("/etc/passwd", "_etc_passwd"),
            ("C:\\a.jpg", "C__a.jpg"),
            ("a.jpg:stream", "a.jpg_stream"),
            ("..", "unnamed"),
            (" . . ", "unnamed"),
            // Hiding.
            (".htaccess", "_htaccess"),
            ("...jpg", "_jpg"),
            (". .jpg", "_jpg"),
            ("a.jpg\u{202e}gpj.exe", "a.jpg_gpj.exe"),
            ("a\u{200b}\u{a0}b.jpg", "a__b.jpg"),
            ("a\0b\nc\u{7f}d\u{85}.jpg", "a_b_c_d_.jpg"),
            // What Windows changes or keeps for itself.
            ("a.jpg. .", "a.jpg"),
            ("NUL", "_NUL"),
            ("Con .tar.gz", "_Con .tar.gz"),
            ("COM1.jpg", "_COM1.jpg"),
            ("lpt\u{b9}.jpg", "_lpt\u{b9}.jpg"),
            ("a<b>c|d?e*f\"g.jpg", "a_b_c_d_e_f_g.jpg"),
            // What is ours.
            ("a.jpg.imagen-part", "a.jpg.imagen-part_"),
        ] {
            assert_eq!(safe_name(given), safe, "{given:?}");
        }
    }

    #[test]
    fn a_name_is_safe_after_it_was_cut_too() {
        let spaces = " ".repeat(300);
        for (start, end, safe) in [
            ("CON", "x.jpg", "_CON.jpg"),
            ("nul", "x", "_nul"),
            ("a.jpg.imagen-part", "x", "a.jpg.imagen-part_"),
            ("a.jpg", ".imagen-part", "a.jpg.imagen-part_"),
            ("a.jpg..", "x", "a.jpg"),
        ] {
            assert_eq!(safe_name(&format!("{start}{spaces}{end}")), safe);
        }
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let long = safe_name(&format!("{}.JPEG", "é".repeat(300)));
        assert!(long.len() <= LONGEST && long.ends_with("é.JPEG"), "{long}");
        assert_eq!(safe_name(&format!("a.{}", "x".repeat(300))).len(), LONGEST);
    }

    #[test]
    fn two_files_never_have_one_name() {
        let given = [
            "a.jpg",
            "A.JPG",
            "a (2).jpg",
            "a.jpg",
            "straße.jpg",
            "STRASSE.jpg",
            "stra\u{1e9e}e.jpg",
            "x/y",
            "x\\y",
        ];
        let names = names_on_disk(&given.map(str::to_owned));
        let expected = [
            "a.jpg",
            "A (3).JPG",
            "a (2).jpg",
            "a (4).jpg",
            "straße.jpg",
            "STRASSE (2).jpg",
            "stra\u{1e9e}e (3).jpg",
            "x_y",
            "x_y (2)",
        ];
        assert_eq!(names, expected);
        let names = names_on_disk(&vec!["picture.jpg".to_owned(); 10_000]);
        assert_eq!(names.last().unwrap(), "picture (10000).jpg");
        let names = names_on_disk(&vec!["x".repeat(400); 12]);
        assert!(names.iter().all(|name| name.len() <= LONGEST));
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), 12);
    }

    #[test]
    fn a_character_and_its_other_cases_are_folded_alike() {
        for c in '\0'..=char::MAX {
            let plain = folded(&c.to_string());
            assert_eq!(plain, folded(&c.to_uppercase().to_string()), "{c}");
            assert_eq!(plain, folded(&c.to_lowercase().to_string()), "{c}");
        }
    }

    /// So the numbers that are tried are as many as the names, and not their square.
    #[test]
    fn long_names_of_one_stem_share_a_counter() {
        let mut numbers = Numbers::default();
        let mut taken = HashSet::new();
        for n in 0..200 {
            let name = safe_name(&format!("{}{n:06}.jpg", "x".repeat(400)));
            let other = safe_name(&format!("{}{n:06}.jpg", "x".repeat(LONGEST - 10)));
            numbers.next_free(&name, &mut taken);
            numbers.next_free(&other, &mut taken);
        }
        let tried: u64 = numbers.0.values().map(|number| number - 1).sum();
        assert_eq!((numbers.0.len(), tried, taken.len()), (1, 400, 400));
    }

    #[test]
    fn a_link_without_a_name_is_named_by_its_url() {
        for (url, name) in [
            ("http://localhost/a/b%20c.jpg?sig=x/y.jpg", "b c.jpg"),
            (" http://localhost/a/b c.jpg", "b c.jpg"),
            ("http://localhost/a/..%2Fb.jpg", "../b.jpg"),
            ("http://localhost/a/?sig=x", ""),
            ("http://localhost", ""),
            ("no url", ""),
            ("http://localhost/%FF.jpg", "\u{fffd}.jpg"),
        ] {
            assert_eq!(given_name(&DownloadLink::new(" ", url)), name);
        }
    }

    proptest! {
        #[test]
        fn a_safe_name_is_one_visible_segment_and_stays_as_it_is(
            given in "\\PC{0,20}|[./\\\\: a-cA-C\u{0}-\u{1f}]{0,300}|(con|nul|lpt1)[. ]{0,3}.{0,3}\
                     |(con|a|é{1,120})(\\.imagen-part)?[. ]{220,260}(x|_)?(\\.jpg|\\.imagen-part)?"
        ) {
            let name = safe_name(&given);
            prop_assert!(!name.is_empty() && name.len() <= LONGEST);
            prop_assert!(!name.starts_with(['.', ' ']) && !name.ends_with(['.', ' ']));
            prop_assert!(name.chars().all(is_harmless));
            prop_assert!(!is_reserved(&name) && !name.ends_with(PART));
            prop_assert_eq!(safe_name(&name), name);
        }

        #[test]
        fn no_two_names_are_equal(
            given in proptest::collection::vec(
                "[aAbB](\\.jpg| \\([23]\\))?|ß|SS|\u{1e9e}|K|\u{212a}",
                0..20,
            )
        ) {
            let names = names_on_disk(&given);
            let different: HashSet<String> = names.iter().map(|name| folded(name)).collect();
            prop_assert_eq!(different.len(), given.len());
        }
    }
}
