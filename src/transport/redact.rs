//! Makes texts that came from elsewhere safe to show: in an error, in a log record, on a terminal.

/// The longest text that is kept, in characters.
const LONGEST: usize = 300;

/// Shorter secrets are not looked for: they would be found in innocent words.
const SHORTEST_SECRET: usize = 6;

/// Returns one printable line without the secrets and without the queries of URLs, which in a
/// presigned URL are the right to read the file.
pub(crate) fn redact(text: &str, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in secrets
        .iter()
        .filter(|secret| secret.len() >= SHORTEST_SECRET)
    {
        // JSON can write `\/` for `/`.
        text = text
            .replace(secret, "[redacted]")
            .replace(&secret.replace('/', "\\/"), "[redacted]");
        // What was read of an answer can end in the middle of one.
        let starts = (SHORTEST_SECRET..secret.len())
            .rev()
            .filter_map(|end| secret.get(..end));
        if let Some(before) = starts.filter_map(|start| text.strip_suffix(start)).next() {
            text = format!("{before}[redacted]");
        }
    }
    one_line(&without_queries(&text), LONGEST)
}

/// Replaces the query of each URL. A URL ends with white space, a quotation mark or a bracket. JSON
/// can write `\/` for `/`.
fn without_queries(text: &str) -> String {
    let ends_url =
        |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`' | '|' | '{' | '}');
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = ["://", ":\\/\\/"]
        .iter()
        .filter_map(|mark| rest.find(mark))
        .min()
    {
        let (before, url) = rest.split_at(start);
        let (url, after) = url.split_at(url.find(ends_url).unwrap_or(url.len()));
        clean.push_str(before);
        match url.split_once('?').or_else(|| url.split_once("\\u003f")) {
            Some((url, _)) => clean.extend([url, "?[redacted]"]),
            None => clean.push_str(url),
        }
        rest = after;
    }
    clean + rest
}

/// Returns one line of at most so many characters, with white space folded and U+FFFD for
/// characters that move the cursor or cannot be seen.
pub(crate) fn one_line(text: &str, longest: usize) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        line.push_str(if line.is_empty() { "" } else { " " });
        line.extend(
            word.chars()
                .map(|c| if is_unseen(c) { '\u{fffd}' } else { c }),
        );
    }
    match line.chars().nth(longest) {
        Some(_) => line
            .chars()
            .take(longest.saturating_sub(1))
            .chain(['…'])
            .collect(),
        None => line,
    }
}

/// Whether a character cannot be seen, moves the cursor, or turns the text around it.
pub(crate) fn is_unseen(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("what? a://b", "what? a://b"),
        ] {
            assert_eq!(redact(text, &[]), clean);
        }
    }

    #[test]
    fn the_key_is_not_shown_and_short_secrets_are_not_looked_for() {
        assert_eq!(
            redact("the key sk-SECRET is wrong", &["sk-SECRET", "is"]),
            "the key [redacted] is wrong"
        );
        assert_eq!(redact(r"sk\/SEC\/RET", &["sk/SEC/RET"]), "[redacted]");
        assert_eq!(
            redact("it was sk-SECR", &["sk-SECRET"]),
            "it was [redacted]"
        );
    }

    #[test]
    fn what_is_shown_is_one_bounded_line() {
        assert_eq!(
            redact("a\u{1b}[31m\u{202e}b\0c \r\n\t d ", &[]),
            "a\u{fffd}[31m\u{fffd}b\u{fffd}c d"
        );
        let long = redact(&"é ".repeat(1000), &[]);
        assert_eq!((long.chars().count(), long.ends_with('…')), (LONGEST, true));
    }
}
