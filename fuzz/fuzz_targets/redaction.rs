//! Answers that repeat the key or a signature, in whatever spelling: no error shows them.

#![no_main]

use imagen_ai::{Client, Error, SignedUrl};
use imagen_ai_fuzz::{KEY, SIGNATURE, Service, answer, check_shown, first};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut data = data;
    let kind = first(&mut data);
    let text = echo(data);
    let json = serde_json::to_string(&text).expect("a text is JSON");
    let quoted = serde_json::to_string(&json).expect("a text is JSON");
    let in_header = text.replace(|c: char| !matches!(c, ' '..='~'), "");
    let (headers, body) = match kind / 8 {
        0 => (String::new(), text),
        1 => (String::new(), format!("{{\"message\":{json}}}")),
        2 => (
            String::new(),
            format!("{{\"error\":{{\"message\":{quoted}}}}}"),
        ),
        3 => (
            String::new(),
            format!("{{\"detail\":[{{\"loc\":[{json}],\"msg\":{json}}}]}}"),
        ),
        4 => (
            String::new(),
            format!("<Error><Code>{text}</Code><Message>{text}</Message></Error>"),
        ),
        5 => (format!("x-request-id: {in_header}\r\n"), text),
        6 => (format!("location: {in_header}\r\n"), text),
        7 => (
            String::new(),
            format!("{{\"status\":{json},\"version_id\":{json}}}"),
        ),
        _ => (
            String::new(),
            format!("{{\"files_list\":[{{\"file_name\":{json}}}]}}"),
        ),
    };
    let status = [200, 400, 401, 403, 404, 302, 500, 504][kind % 8];
    let service = Service::new([answer(status, &headers, body.as_bytes())]);
    let client = service.client();
    // A signature is known to the download of its link alone.
    let (result, signature) = match kind % 3 {
        0 => (copilot(&client), ""),
        1 => (client.project("p").info().map(drop), ""),
        _ => (download(&client), SIGNATURE),
    };
    if let Err(error) = result {
        check_shown(&error, signature);
    }
});

fn copilot(client: &Client) -> Result<(), Error> {
    client.project("p").image("a.jpg").copilot("x").map(drop)
}

fn download(client: &Client) -> Result<(), Error> {
    let url = format!("https://s3.fuzz.test/a.jpg?X-Amz-Signature={SIGNATURE}");
    let link = SignedUrl::from(url.as_str());
    client.download(link).to_vec(1_000).map(drop)
}

/// Makes a text of characters and of parts of the secrets: from 0x80 on, a byte begins one.
fn echo(data: &[u8]) -> String {
    let mut text = String::new();
    let mut bytes = data.iter();
    while let Some(&byte) = bytes.next() {
        if byte < 0x80 {
            text.push(char::from(byte));
            continue;
        }
        let secret = if byte & 1 == 0 { KEY } else { SIGNATURE };
        let from = bytes
            .next()
            .map_or(0, |from| usize::from(*from) % secret.len());
        let length = bytes
            .next()
            .map_or(secret.len(), |length| usize::from(*length) % 33);
        let end = secret.len().min(from + length);
        text.push_str(&spelled(&secret[from..end], byte));
    }
    text
}

fn spelled(part: &str, way: u8) -> String {
    match way / 2 % 6 {
        0 => part.to_ascii_lowercase(),
        1 => part.to_ascii_uppercase(),
        2 => part.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        3 => part.chars().map(|c| format!("{c}-")).collect(),
        4 => part.chars().map(|c| format!("{c} ")).collect(),
        _ => part.to_owned(),
    }
}
