//! File names that can do no harm.

use std::collections::{HashMap, HashSet};

use percent_encoding::percent_decode_str;

use super::part::PART;
use crate::transport::{is_unseen, parse_url};
use crate::types::DownloadLink;

/// The longest name, in bytes. File systems allow 255, and the name of the part file is longer by
/// its suffix.
const LONGEST: usize = 255 - PART.len();

/// A longer end of a name is not taken for its extension.
const LONGEST_EXTENSION: usize = 16;

/// Returns a file's name as the link gives it: its `file_name`, else the last segment of its URL,
/// percent-decoded.
pub(super) fn given_name(link: &DownloadLink) -> String {
    if let Some(name) = link
        .file_name
        .as_ref()
        .filter(|name| !name.trim().is_empty())
    {
        return name.clone();
    }
    let uri = link
        .download_link
        .as_ref()
        .and_then(|it| parse_url("url", it.as_str(), false).ok())
        .unwrap_or_default();
    let segment = uri.path().rsplit('/').next().unwrap_or_default();
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

/// Returns the names under which files with these given names are written to one folder: each is
/// safe, and no two are the same to a file system that ignores case.
pub(super) fn names_on_disk(given: &[String]) -> Vec<String> {
    let mut names: Vec<String> = given.iter().map(|name| safe_name(name)).collect();
    // The first file of each name keeps it, so that no number takes a name that another link
    // brings.
    let mut taken = HashSet::new();
    let firsts: Vec<bool> = names
        .iter()
        .map(|name| taken.insert(folded(name)))
        .collect();
    let mut numbers = HashMap::new();
    for (name, _) in names.iter_mut().zip(firsts).filter(|(_, first)| !first) {
        let mut numbered = numbers
            .entry(folded(name))
            .or_insert(2_u64..)
            .map(|number| shortened(name, &format!(" ({number})")));
        *name = numbered
            .find(|candidate| taken.insert(folded(candidate)))
            .unwrap_or_default();
    }
    names
}

/// Folds case, by way of upper case, which also brings together what only some file systems take
/// for equal, such as `ß` and `SS`.
fn folded(name: &str) -> String {
    name.to_uppercase().to_lowercase()
}

/// Returns a name that stays in its folder, is visible there, and is allowed on every common file
/// system. A name that is so already is returned as it is.
fn safe_name(given: &str) -> String {
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
    if safe.to_ascii_lowercase().ends_with(PART) {
        safe.push('_');
    }
    shortened(&safe, "")
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
            "straße",
            "STRASSE",
            "x/y",
            "x\\y",
        ];
        let names = names_on_disk(&given.map(str::to_owned));
        let expected = [
            "a.jpg",
            "A (3).JPG",
            "a (2).jpg",
            "a (4).jpg",
            "straße",
            "STRASSE (2)",
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
            given in "\\PC{0,20}|[./\\\\: a-cA-C\u{0}-\u{1f}]{0,300}|(con|nul|lpt1)[. ]{0,3}.{0,3}"
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
            given in proptest::collection::vec("[aAbB](\\.jpg| \\([23]\\))?|ß|SS|K|\u{212a}", 0..20)
        ) {
            let names = names_on_disk(&given);
            let different: HashSet<String> = names.iter().map(|name| folded(name)).collect();
            prop_assert_eq!(different.len(), given.len());
        }
    }
}
