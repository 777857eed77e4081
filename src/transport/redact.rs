//! Makes texts that came from elsewhere safe to show: in an error, in a log record, on a terminal.

use std::collections::HashSet;

use percent_encoding::percent_decode_str;

/// The longest text that is shown, in characters.
const LONGEST: usize = 300;

/// How much of a text is looked through, in characters: what is shown, and what could move there
/// when a query is taken out.
const LOOKED_THROUGH: usize = 1_000;

/// So many letters or digits of the key in a row are the key.
const PART_OF_KEY: usize = 8;

/// So many letters or digits of a signature in a row are the signature. It has 28 or more.
const PART_OF_SIGNATURE: usize = 12;

/// A key with fewer letters and digits is not looked for: it would be found in innocent words.
const SHORTEST_KEY: usize = 6;

/// So many letters or digits of the key's beginning are the key at the end of a text, which may
/// have been cut there.
const START_OF_KEY: usize = 5;

/// Returns a printable line of at most 300 characters without the queries of URLs, which in a
/// presigned URL are the right to read the file. A text that repeats the key, or a value in
/// `query`, is withheld whole. `key` and `query` may be empty.
///
/// The key is found however it is spelled, as long as its letters and digits are there: 8 of them
/// in a row, or all of a key that has 6 or 7. Base64 and hex of it are not looked for.
pub(crate) fn redact(text: &str, key: &str, query: &str) -> String {
    let text = one_line(text, LOOKED_THROUGH);
    if repeats_key(&text, key) {
        return "withheld: it repeats the API key".to_owned();
    }
    if repeats_query(&text, query) {
        return "withheld: it repeats a presigned URL".to_owned();
    }
    one_line(&without_queries(&text), LONGEST)
}

fn repeats_key(text: &str, key: &str) -> bool {
    let key = Letters::of(key);
    if key.0.len() < SHORTEST_KEY {
        return false;
    }
    let length = PART_OF_KEY.min(key.0.len());
    let decoded = Letters::of(&decoded(text));
    let text = Letters::of(text);
    text.share(&key, length) || decoded.share(&key, length) || text.end_in_start_of(&key)
}

fn repeats_query(text: &str, query: &str) -> bool {
    let plain = Letters::of(text);
    let decoded_text = Letters::of(&decoded(text));
    let whole = Letters::of(query);
    let is_long = whole.0.len() >= PART_OF_SIGNATURE;
    if is_long && plain.share(&whole, whole.0.len()) {
        return true;
    }
    query.split('&').any(|pair| {
        let value = pair.split_once('=').map_or(pair, |(_, value)| value);
        // The text may have it decoded where the URL has it encoded.
        let encoded = Letters::of(value);
        let decoded = Letters::of(&decoded(value));
        plain.share(&encoded, PART_OF_SIGNATURE)
            || plain.share(&decoded, PART_OF_SIGNATURE)
            || decoded_text.share(&decoded, PART_OF_SIGNATURE)
    })
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The letters and digits of a text, in lower case: what is left of a secret in every spelling.
struct Letters(Vec<u8>);

impl Letters {
    fn of(text: &str) -> Self {
        let letters = text.bytes().filter(u8::is_ascii_alphanumeric);
        Self(letters.map(|letter| letter.to_ascii_lowercase()).collect())
    }

    /// Whether both hold the same so many letters in a row.
    fn share(&self, secret: &Self, length: usize) -> bool {
        let parts: HashSet<&[u8]> = secret.0.windows(length).collect();
        self.0.windows(length).any(|part| parts.contains(part))
    }

    /// Whether the end of this is the start of a secret.
    fn end_in_start_of(&self, secret: &Self) -> bool {
        let mut lengths = START_OF_KEY..PART_OF_KEY.min(secret.0.len());
        lengths.any(|length| {
            let start = secret.0.get(..length).unwrap_or_default();
            self.0.ends_with(start)
        })
    }
}

/// Replaces the query of each URL, whether it is whole or begins with its path.
fn without_queries(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for word in text.split_inclusive(ends_url) {
        let end = word.chars().next_back().filter(|c| ends_url(*c));
        match split_query(word) {
            Some(url) => {
                clean.push_str(url);
                clean.push_str("?[redacted]");
                clean.extend(end);
            }
            None => clean.push_str(word),
        }
    }
    clean
}

/// Whether a character cannot stand in a URL. An apostrophe, a brace and the like can stand in a
/// query, before the signature.
fn ends_url(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '<' | '>')
}

/// The spellings of a question mark, in lower case: plain, as JSON can write it, percent-encoded
/// once and twice, and as HTML can write it.
const QUESTION_MARKS: [&str; 6] = ["?", "\\u003f", "%3f", "%253f", "&#63;", "&#x3f;"];
const EQUALS_SIGNS: [&str; 6] = ["=", "\\u003d", "%3d", "%253d", "&#61;", "&#x3d;"];
const TWO_SLASHES: [&str; 6] = [
    "//",
    "\\/\\/",
    "%2f%2f",
    "%252f%252f",
    "&#47;&#47;",
    "&#x2f;&#x2f;",
];

/// Returns what stands before a query, if there is one.
fn split_query(word: &str) -> Option<&str> {
    let lower = word.to_ascii_lowercase();
    let marks = QUESTION_MARKS.iter().filter_map(|mark| lower.find(mark));
    let (url, query) = lower.split_at_checked(marks.min()?)?;
    let is_url = TWO_SLASHES.iter().any(|slashes| lower.contains(slashes))
        || EQUALS_SIGNS.iter().any(|sign| query.contains(sign));
    if is_url { word.get(..url.len()) } else { None }
}

/// Returns one line of at most so many characters, with white space folded and U+FFFD for
/// characters that move the cursor or cannot be seen.
pub(crate) fn one_line(text: &str, longest: usize) -> String {
    let mut line = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let space = (length > 0).then_some(' ');
        for c in space.into_iter().chain(word.chars()) {
            if length == longest {
                line.pop();
                line.push('…');
                return line;
            }
            line.push(if is_unseen(c) { '\u{fffd}' } else { c });
            length += 1;
        }
    }
    line
}

/// Returns a name in quotation marks, as one printable line that is cut.
pub(crate) fn quoted(name: &str) -> String {
    format!("{:?}", one_line(name, LONGEST))
}

/// Whether a character cannot be seen, moves the cursor, or turns the text around it.
pub(crate) fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-Zq8vN3xR7t/Lm2W+Yb5Kd9==";
    const WITHHELD: &str = "withheld: it repeats the API key";

    #[test]
    fn no_query_of_a_url_is_shown() {
        for (text, clean) in [
            (
                "see https://s3/x.jpg?sig=SECRET now",
                "see https://s3/x.jpg?[redacted] now",
            ),
            (
                r#"{"a":"https:\/\/s3\/x?sig=SECRET","b":"c?d"}"#,
                r#"{"a":"https:\/\/s3\/x?[redacted]","b":"c?d"}"#,
            ),
            (
                r#""https://s3/x\u003fsig=SECRET""#,
                r#""https://s3/x?[redacted]""#,
            ),
            (
                "https://a/?x=SECRET https://b/?y=SECRET",
                "https://a/?[redacted] https://b/?[redacted]",
            ),
            ("https://s3/x?sig=SECR", "https://s3/x?[redacted]"),
            ("https://s3/x?SECRET", "https://s3/x?[redacted]"),
            (
                "https://s3/a b.jpg?s=SECRET",
                "https://s3/a b.jpg?[redacted]",
            ),
            (
                "https://s3/a'b.jpg?s=SECRET",
                "https://s3/a'b.jpg?[redacted]",
            ),
            ("//s3/a.jpg?s=SECRET", "//s3/a.jpg?[redacted]"),
            ("/a.jpg?s=SECRET", "/a.jpg?[redacted]"),
            (
                r"https:\/\/s3\/a.jpg\u003FSECRET",
                r"https:\/\/s3\/a.jpg?[redacted]",
            ),
            (
                r"https://s3/a b.jpg\u003Fs\u003DSECRET",
                "https://s3/a b.jpg?[redacted]",
            ),
            (
                r"https:\\/\\/s3\\/a b.jpg\\u003fs\\u003dSECRET",
                r"https:\\/\\/s3\\/a b.jpg\?[redacted]",
            ),
            (
                "https%3A%2F%2Fs3%2Fa.jpg%3FSECRET",
                "https%3A%2F%2Fs3%2Fa.jpg?[redacted]",
            ),
            ("/a.jpg%253Fs%253DSECRET", "/a.jpg?[redacted]"),
            ("/a.jpg&#63;s&#61;SECRET", "/a.jpg?[redacted]"),
            ("/a.jpg&#x3F;s&#x3D;SECRET", "/a.jpg?[redacted]"),
            ("a%3Fb", "a%3Fb"),
            ("what? a://b", "what? a://b"),
        ] {
            assert_eq!(redact(text, "", ""), clean);
        }
    }

    #[test]
    fn what_can_stand_in_a_query_does_not_end_it() {
        for (text, clean) in [
            (
                "see https://s3/x?f='a.jpg'&g={a|b}`&X-Amz-Signature=SECRET now",
                "see https://s3/x?[redacted] now",
            ),
            (
                "<a href='https://s3/x?sig=SECRET'>",
                "<a href='https://s3/x?[redacted]>",
            ),
            // What comes after the first question mark of a word is taken for its query.
            ("what?|https://s3/x?SECRET now", "what?[redacted] now"),
            ("{'why?':'https://s3/x?SECRET'}", "{'why?[redacted]"),
        ] {
            assert_eq!(redact(text, "", ""), clean);
        }
    }

    #[test]
    fn a_text_that_repeats_the_key_in_any_spelling_is_withheld() {
        for spelling in [
            KEY,
            "SK-ZQ8VN3XR7T/LM2W+YB5KD9==",
            "sk-Zq8vN3xR7t%2FLm2W%2BYb5Kd9%3D%3D",
            r"sk-Zq8vN3xR7t\/Lm2W\u002BYb5Kd9==",
            "sk-Zq8vN3xR7t/Lm2W&#43;Yb5Kd9==",
            "sk-Zq8v N3xR7t/Lm2W Yb5Kd9",
            "N3xR7t/Lm",
        ] {
            let text = format!("the key {spelling} is wrong");
            assert_eq!(redact(&text, KEY, ""), WITHHELD, "{spelling}");
        }
        let pieces = "is Ab%2BCd%2fEf%3DGh%2bIj no key";
        assert_eq!(redact(pieces, "Ab+Cd/Ef=Gh+Ij", ""), WITHHELD);
        assert_eq!(redact("cut at sk-Zq8", KEY, ""), WITHHELD);
        assert_eq!(redact("N3xR7t/L is no key", KEY, ""), "N3xR7t/L is no key");
    }

    #[test]
    fn a_short_key_is_looked_for_whole_and_a_very_short_one_not_at_all() {
        assert_eq!(redact("your key is s3cret", "s3cret", ""), WITHHELD);
        assert_eq!(redact("your key is s3cre", "s3cret-7", ""), WITHHELD);
        assert_eq!(redact("no key s3cr", "s3cret", ""), "no key s3cr");
        assert_eq!(redact("your key", "key", ""), "your key");
    }

    #[test]
    fn a_text_that_repeats_a_signature_is_withheld() {
        let query = "X-Amz-Date=20260101T000000Z&X-Amz-Signature=Vd93kP%2Bx71%2FZwQ8rT";
        for text in ["is Vd93kP+x71/ZwQ8rT", "is vd93kp%2bx71%2fzwq8"] {
            let shown = redact(text, "", query);
            assert_eq!(shown, "withheld: it repeats a presigned URL", "{text}");
        }
        let short = redact("see Signature=SECRET", "", "Signature=SECRET");
        assert_eq!(short, "withheld: it repeats a presigned URL");
        let innocent = "X-Amz-Signature is wrong: Vd93kP";
        assert_eq!(redact(innocent, "", query), innocent);
    }

    #[test]
    fn what_is_shown_is_one_bounded_line() {
        assert_eq!(
            redact("a\u{1b}[31m\u{202e}b\0c \r\n\t d ", "", ""),
            "a\u{fffd}[31m\u{fffd}b\u{fffd}c d"
        );
        let long = redact(&"é ".repeat(1000), "", "");
        assert_eq!(long.chars().count(), LONGEST);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn a_key_that_reaches_over_the_end_of_what_is_shown_is_found() {
        let text = format!("{}{KEY}", "x".repeat(LONGEST - 4));
        assert_eq!(redact(&text, KEY, ""), WITHHELD);
    }
}
