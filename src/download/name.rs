//! File names that cannot do harm.

use std::collections::HashSet;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use ureq::http::Uri;

use crate::transport::is_unseen;
use crate::types::DownloadLink;

/// The end of the name of a file that is still being written.
pub(super) const PART: &str = ".imagen-part";

/// The longest name, in bytes: file systems allow 255, and the name of the part file is longer by its own end.
pub(super) const LONGEST: usize = 255 - 2 * PART.len() - 16;

/// A longer end of a name is not taken for its extension.
const LONGEST_EXTENSION: usize = 16;

/// What is named in no way at all.
const UNNAMED: &str = "unnamed";

/// A file's name as the link gives it: its `file_name`, else the last segment of its URL, percent-decoded.
#[inline]
pub(super) fn given_name(link: &DownloadLink) -> String {
    match &link.file_name {
        Some(name) if !name.trim().is_empty() => name.clone(),
        _ => last_segment(&link.download_link),
    }
}

/// The URL of a link. What should have been percent-encoded in it and was not, is.
#[inline]
pub(super) fn uri_of(url: &str) -> Option<Uri> {
    const RAW: &AsciiSet = &CONTROLS
        .add(b' ')
        .add(b'"')
        .add(b'<')
        .add(b'>')
        .add(b'\\')
        .add(b'^')
        .add(b'`');
    utf8_percent_encode(url.trim(), RAW).to_string().parse().ok()
}

#[inline]
fn last_segment(url: &str) -> String {
    let uri = uri_of(url).unwrap_or_default();
    let segment = uri.path().rsplit('/').next().unwrap_or_default();
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

/// The names under which files with these given names are written to one folder: each is safe, and no two are the same
/// to a file system that ignores case.
#[inline]
pub(super) fn names_on_disk(given: &[String]) -> Vec<String> {
    let safe: Vec<String> = given.iter().map(|name| safe_name(name)).collect();
    // Every name's first owner keeps it, so that no number takes a name that another link brings.
    let mut taken: HashSet<String> = HashSet::new();
    let firsts: Vec<bool> = safe.iter().map(|name| taken.insert(folded(name))).collect();
    let numbered = |name: String, taken: &mut HashSet<String>| {
        (2_u64..)
            .map(|number| with_number(&name, number))
            .find(|candidate| taken.insert(folded(candidate)))
            .unwrap_or(name)
    };
    safe.into_iter()
        .zip(firsts)
        .map(|(name, first)| if first { name } else { numbered(name, &mut taken) })
        .collect()
}

/// Names that are the same to a file system that ignores case are the same here.
///
/// Through upper case first, which brings together what some file systems hold for equal and others don't, such as `ß`
/// and `SS`: a number too many does no harm.
#[inline]
fn folded(name: &str) -> String {
    name.to_uppercase().to_lowercase()
}

/// A name that stays in its folder, is seen there, and is allowed on every common file system. One that already is, is
/// left as it is.
#[inline]
pub(super) fn safe_name(given: &str) -> String {
    let mut name: String = given.chars().map(|c| if is_harmless(c) { c } else { '_' }).collect();
    // Windows drops these from the end of a name, and spaces at its start are easily overlooked.
    name.truncate(name.trim_end_matches(['.', ' ']).len());
    name.drain(..name.len() - name.trim_start_matches(' ').len());
    if name.starts_with('.') {
        let visible = name.trim_start_matches(['.', ' ']);
        name = format!("_{visible}");
    }
    if name.is_empty() {
        return UNNAMED.to_owned();
    }
    if name.to_ascii_lowercase().ends_with(PART) {
        name.push('_');
    }
    if is_reserved(&name) {
        name.insert(0, '_');
    }
    shortened(&name, "")
}

/// Neither a separator, a drive's or stream's colon, another character that Windows refuses, nor one that cannot be
/// seen or turns the text around.
#[inline]
fn is_harmless(c: char) -> bool {
    let forbidden = matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    // Any white space but the plain one, in which no two names could be told apart.
    let white = c != ' ' && c.is_whitespace();
    !(forbidden || is_unseen(c) || white || c.is_control())
}

/// The names of devices, which Windows finds in every folder and with every extension.
#[inline]
fn is_reserved(name: &str) -> bool {
    let stem = name
        .split('.')
        .next()
        .unwrap_or_default()
        .trim_end_matches(' ')
        .to_ascii_uppercase();
    if matches!(
        stem.as_str(),
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$"
    ) {
        return true;
    }
    let number = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    number.is_some_and(|number| {
        matches!(number.chars().next(), Some('0'..='9' | '¹' | '²' | '³')) && number.chars().count() == 1
    })
}

#[inline]
fn with_number(name: &str, number: u64) -> String {
    shortened(name, &format!(" ({number})"))
}

/// The name with `insert` before its extension, its stem cut so that the whole is not too long.
#[inline]
fn shortened(name: &str, insert: &str) -> String {
    let (stem, extension) = match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= LONGEST_EXTENSION => name.split_at(dot),
        _ => (name, ""),
    };
    let room = LONGEST.saturating_sub(extension.len() + insert.len());
    if stem.len() <= room {
        return format!("{stem}{insert}{extension}");
    }
    let cut = (0..=room).rev().find(|at| stem.is_char_boundary(*at)).unwrap_or(0);
    let stem = stem.get(..cut).unwrap_or_default().trim_end_matches(['.', ' ']);
    format!("{stem}{insert}{extension}")
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
            ("C:a.jpg", "C_a.jpg"),
            ("a.jpg:stream", "a.jpg_stream"),
            ("a/b.jpg", "a_b.jpg"),
            ("..", "unnamed"),
            (".", "unnamed"),
            ("", "unnamed"),
            (" . . ", "unnamed"),
            // Hiding.
            (".htaccess", "_htaccess"),
            ("...jpg", "_jpg"),
            (" .jpg", "_jpg"),
            (". .jpg", "_jpg"),
            ("a.jpg\u{202e}gpj.exe", "a.jpg_gpj.exe"),
            ("a\u{200b}.jpg", "a_.jpg"),
            ("a\0b\nc\u{7f}d\u{85}.jpg", "a_b_c_d_.jpg"),
            ("a\u{a0}b.jpg", "a_b.jpg"),
            // What Windows changes or keeps for itself.
            ("a.jpg.", "a.jpg"),
            ("a.jpg. .", "a.jpg"),
            ("NUL", "_NUL"),
            ("nul.jpg", "_nul.jpg"),
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
        let all_extension = safe_name(&format!("a.{}", "x".repeat(300)));
        assert_eq!(all_extension.len(), LONGEST);
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
        ]
        .map(str::to_owned);
        assert_eq!(
            names_on_disk(&given),
            [
                "a.jpg",
                "A (3).JPG",
                "a (2).jpg",
                "a (4).jpg",
                "straße",
                "STRASSE (2)",
                "x_y",
                "x_y (2)"
            ]
        );
        let long = vec!["x".repeat(400); 12];
        let names = names_on_disk(&long);
        assert!(names.iter().all(|name| name.len() <= LONGEST));
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), 12);
    }

    #[test]
    fn a_link_without_a_name_is_named_by_its_url() {
        for (url, name) in [
            ("https://s3/a/b%20c.jpg?sig=x/y.jpg", "b c.jpg"),
            (" https://s3/a/b c.jpg", "b c.jpg"),
            ("https://s3/a/..%2Fb.jpg", "../b.jpg"),
            ("https://s3/a/?sig=x", ""),
            ("https://s3", ""),
            ("no url", ""),
            ("https://s3/%FF.jpg", "\u{fffd}.jpg"),
        ] {
            let link = DownloadLink {
                file_name: Some(" ".to_owned()),
                ..DownloadLink::new("", url)
            };
            assert_eq!(given_name(&link), name);
        }
    }

    proptest! {
        #[test]
        fn a_safe_name_is_one_visible_segment_and_stays_as_it_is(given in "\\PC{0,20}|[./\\\\: a-cA-C\u{0}-\u{1f}]{0,300}|(con|nul|lpt1)[. ]{0,3}.{0,3}") {
            let name = safe_name(&given);
            prop_assert!(!name.is_empty() && name.len() <= LONGEST);
            prop_assert!(!name.starts_with(['.', ' ']) && !name.ends_with(['.', ' ']));
            prop_assert!(name.chars().all(is_harmless));
            prop_assert!(!is_reserved(&name) && !name.ends_with(PART));
            prop_assert_eq!(safe_name(&name), name);
        }

        #[test]
        fn no_two_names_are_equal(given in proptest::collection::vec("[aAbB](\\.jpg| \\([23]\\))?|ß|SS|K|\u{212a}", 0..20)) {
            let names = names_on_disk(&given);
            let different: HashSet<String> = names.iter().map(|name| folded(name)).collect();
            prop_assert_eq!(different.len(), given.len());
        }
    }
}
