//! Makes what came from elsewhere safe to show: in an error, in a log record, on a terminal.

use std::cmp::Reverse;

use percent_encoding::{percent_decode_str, utf8_percent_encode};
use serde_json::Value;
use ureq::http::Uri;

use super::key::ApiKey;
use super::request::{Call, SEGMENT};

/// Shorter secrets are not looked for: they would be found in innocent words.
const MIN_SECRET: usize = 6;

/// A shorter first part of a secret tells nothing.
const MIN_CUT_SECRET: usize = 4;

/// How much of a body is looked at for its start, in bytes.
const START: usize = 16 * 1024;

/// The longest message taken from an answer, in characters.
pub(crate) const MESSAGE: usize = 500;

/// Cleans texts of one call.
pub(crate) struct Cleaner {
    /// What must not be shown, and what is shown instead.
    secrets: Vec<(String, &'static str)>,
}

impl Cleaner {
    /// Servers quote the requests that they refuse: the key is looked for, and so is the instruction.
    pub(crate) fn new(key: &ApiKey, call: &Call) -> Self {
        let mut secrets: Vec<_> = spellings(key.expose()).map(|s| (s, "[redacted]")).into();
        let body = call.body.as_deref().unwrap_or_default();
        let body: Value = serde_json::from_str(std::str::from_utf8(body).unwrap_or_default()).unwrap_or_default();
        if let Some(Value::String(instruction)) = body.get("instruction") {
            secrets.extend(spellings(instruction).map(|s| (s, "[instruction]")));
        }
        Self::of(secrets)
    }

    /// For what object storage says about presigned URLs: whatever of a query is quoted, as it was sent or decoded, is
    /// as good as the URL.
    #[inline]
    pub(crate) fn of_urls(key: &ApiKey, urls: &[&Uri]) -> Self {
        let mut secrets = vec![key.expose().to_owned()];
        for query in urls.iter().filter_map(|url| url.query()) {
            for value in query.split('&').filter_map(|pair| Some(pair.split_once('=')?.1)) {
                secrets.extend(spellings(&percent_decode_str(value).decode_utf8_lossy()));
                secrets.push(value.to_owned());
            }
            secrets.push(query.to_owned());
        }
        // The longest first: what is left of a secret after a part of it was replaced would not be known any more.
        secrets.sort_by_key(|secret| Reverse(secret.len()));
        Self::of(secrets.into_iter().map(|secret| (secret, "[redacted]")).collect())
    }

    fn of(mut secrets: Vec<(String, &'static str)>) -> Self {
        secrets.retain(|(secret, _)| secret.len() >= MIN_SECRET);
        Self { secrets }
    }

    /// One printable line of at most `most` characters.
    pub(crate) fn text(&self, text: &str, most: usize) -> String {
        printable(&self.without_secrets(text), most)
    }

    /// The start of a body, as one printable line of at most `most` characters.
    pub(crate) fn start(&self, body: &[u8], most: usize) -> String {
        let start = String::from_utf8_lossy(body.get(..START).unwrap_or(body));
        let text = self.without_secrets(&start);
        printable(self.without_cut_secret(&text), most)
    }

    /// A body may end in the middle of a secret, because of a limit or of the network.
    fn without_cut_secret<'t>(&self, text: &'t str) -> &'t str {
        // What is left of a character that was cut as well.
        let text = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
        let cut = |secret: &str| {
            let lengths = (MIN_CUT_SECRET..secret.len()).rev();
            let mut starts = lengths.filter_map(|length| secret.get(..length));
            starts.find_map(|start| text.strip_suffix(start))
        };
        let rests = self.secrets.iter().filter_map(|(secret, _)| cut(secret));
        rests.min_by_key(|rest| rest.len()).unwrap_or(text)
    }

    fn without_secrets(&self, text: &str) -> String {
        self.secrets
            .iter()
            .fold(text.to_owned(), |text, (secret, instead)| text.replace(secret, instead))
    }
}

/// A secret as the encodings that answers come in write it. Whole JSON texts are decoded before they are shown, but not
/// excerpts.
fn spellings(secret: &str) -> [String; 5] {
    let quoted = Value::from(secret).to_string();
    let quoted = quoted.get(1..quoted.len() - 1).unwrap_or(secret);
    let ascii = quoted.chars().fold(String::new(), |mut text, c| {
        match c.is_ascii() {
            true => text.push(c),
            false => text.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}"))),
        }
        text
    });
    [
        quoted.replace('/', "\\/"),
        quoted.to_owned(),
        ascii,
        utf8_percent_encode(secret, SEGMENT).to_string(),
        secret.to_owned(),
    ]
}

/// Takes the queries out of the URLs in a text, since that of a presigned one is the right to read a file.
fn without_queries(text: &str) -> String {
    const QUERY: [&str; 2] = ["?", "\\u003f"];
    let ends_url = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`' | '|' | '{' | '}');
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    // JSON may spell "://" with escaped slashes.
    while let Some(start) = ["://", ":\\/\\/"].iter().filter_map(|mark| rest.find(mark)).min() {
        let (before, url) = rest.split_at(start + 1);
        clean.push_str(before);
        let (url, after) = url.split_at(url.find(ends_url).unwrap_or(url.len()));
        match QUERY.iter().filter_map(|mark| url.find(mark)).min() {
            Some(query) => {
                clean.push_str(url.get(..query).unwrap_or_default());
                clean.push_str("?[redacted]");
            }
            None => clean.push_str(url),
        }
        rest = after;
    }
    clean.push_str(rest);
    clean
}

/// Whether a character cannot be seen, or turns the text around.
pub(crate) fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// One line that is safe to print: no queries of URLs, no control or direction characters, white space folded, cut to
/// `most` characters.
pub(crate) fn printable(text: &str, most: usize) -> String {
    let text = without_queries(text);
    let mut line = String::new();
    let mut length = 0;
    let mut space = false;
    for c in text.chars() {
        if c.is_whitespace() {
            space = !line.is_empty();
            continue;
        }
        let hidden = c.is_control() || is_unseen(c);
        if length + usize::from(space) >= most {
            line.push('…');
            break;
        }
        if space {
            line.push(' ');
            length += 1;
            space = false;
        }
        line.push(if hidden { char::REPLACEMENT_CHARACTER } else { c });
        length += 1;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::super::request::Path;
    use super::*;

    #[test]
    fn no_query_of_a_url_is_printed() {
        for (text, clean) in [
            (
                "see https://s3/x.jpg?sig=SECRET now",
                "see https://s3/x.jpg?[redacted] now",
            ),
            (
                r#"{"a":"https:\/\/s3\/x?sig=SECRET","b":"c?d"}"#,
                r#"{"a":"https:\/\/s3\/x?[redacted]","b":"c?d"}"#,
            ),
            (r#""https://s3/x\u003fsig=SECRET""#, r#""https://s3/x?[redacted]""#),
            (
                "https://a/?x=SECRET https://b/?y=SECRET",
                "https://a/?[redacted] https://b/?[redacted]",
            ),
            ("https://s3/x?sig=SECR", "https://s3/x?[redacted]"),
            ("what? a://b", "what? a://b"),
        ] {
            assert_eq!(printable(text, 200), clean);
        }
    }

    #[test]
    fn an_excerpt_is_one_bounded_printable_line() {
        assert_eq!(
            printable("a\u{1b}[31m\u{202e}b\0c \r\n\t d ", 50),
            "a\u{fffd}[31m\u{fffd}b\u{fffd}c d"
        );
        assert_eq!(printable("abc def", 4), "abc…");
        assert_eq!(printable("abc def", 5), "abc d…");
        assert_eq!(printable("abc", 3), "abc");
    }

    fn cleaner(instruction: &str) -> Cleaner {
        let key = ApiKey::new("sk-SECRETSECRET", "api_key").unwrap();
        let body = serde_json::json!({ "instruction": instruction });
        Cleaner::new(&key, &Call::post(Path::default(), &body).unwrap())
    }

    #[test]
    fn what_servers_quote_of_the_request_is_not_shown() {
        let clean = cleaner("say \"cheese\" now");
        assert_eq!(
            clean.text(r#"{"key":"sk-SECRETSECRET","input":"say \"cheese\" now"}"#, 200),
            r#"{"key":"[redacted]","input":"[instruction]"}"#
        );
        assert_eq!(clean.text("no 'say \"cheese\" now'", 200), "no '[instruction]'");
        assert_eq!(cleaner("e").text("every preset", 200), "every preset");
    }

    #[test]
    fn what_the_storage_quotes_of_a_presigned_url_is_not_shown() {
        let key = ApiKey::new("sk-SECRETSECRET", "api_key").unwrap();
        let first: Uri = "https://a/x?X-Amz-Signature=abc%2Fdef%3D&X-Amz-Expires=60"
            .parse()
            .unwrap();
        let second: Uri = "https://b/x?sig=0123456789".parse().unwrap();
        let clean = Cleaner::of_urls(&key, &[&first, &second]);
        for quoted in [
            "abc%2Fdef%3D",
            "abc/def=",
            "abc\\/def=",
            "0123456789",
            "X-Amz-Signature=abc%2Fdef%3D&X-Amz-Expires=60",
        ] {
            assert_eq!(
                clean.text(&format!("bad signature {quoted}!"), 300),
                "bad signature [redacted]!"
            );
        }
    }

    #[test]
    fn no_cut_leaves_the_first_part_of_a_secret() {
        let clean = cleaner("x");
        assert!(!clean.text("the key is sk-SECRETSECRET", 20).contains("SECRET"));
        for shift in 0..40 {
            // White space is folded, so that what is near the end of the start is shown.
            let body = format!("a{}sk-SECRETSECRET", " ".repeat(START - 30 + shift));
            let shown = clean.start(body.as_bytes(), 300);
            assert!(!shown.contains("sk-S"), "{shift}: {shown}");
        }
        for length in MIN_CUT_SECRET.."sk-SECRETSECRET".len() {
            let body = &"the key is sk-SECRETSECRET"[.."the key is ".len() + length];
            assert_eq!(clean.start(body.as_bytes(), 300), "the key is");
        }
        assert_eq!(
            cleaner("größer bitte").start("no: grö\u{df}er".as_bytes().split_last().unwrap().1, 300),
            "no:"
        );
    }

    #[test]
    fn what_servers_quote_is_known_in_the_spellings_of_its_encoding() {
        let clean = cleaner("\"größer\" / 😀");
        for spelling in [
            r#"\"größer\" / 😀"#,
            r#"\"größer\" \/ 😀"#,
            r#"\"gr\u00f6\u00dfer\" / \ud83d\ude00"#,
            "%22gr%C3%B6%C3%9Fer%22%20%2F%20%F0%9F%98%80",
        ] {
            assert_eq!(clean.text(spelling, 300), "[instruction]");
        }
    }

    #[test]
    fn an_excerpt_of_any_bytes_is_bounded_and_printable() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
        let shown = cleaner("x").start(&bytes, 300);
        assert!(shown.chars().count() <= 301 && !shown.chars().any(char::is_control));
    }
}
