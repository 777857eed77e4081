//! Any link, and any redirect after it: the key goes nowhere, nothing is sent in the clear to
//! another machine unless this one redirects there, and the signature is not shown.

#![no_main]

use imagen_ai::ureq::http::Uri;
use imagen_ai::{DownloadLink, SignedUrl};
use imagen_ai_fuzz::{KEY, SIGNATURE, Service, answer, check_shown, repeats_signature};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // What stands in a path is no secret.
    if repeats_signature(text) {
        return;
    }
    let mut lines = text.split('\n');
    let link = lines.next().unwrap_or_default();
    // A redirect for each further line, and then a file.
    let mut answers: Vec<Vec<u8>> = lines
        .map(|target| answer(302, &format!("location: {target}\r\n"), b""))
        .collect();
    answers.push(answer(200, "", b"file"));
    let service = Service::new(answers);
    let client = service.client();

    let url = format!("{link}?X-Amz-Signature={SIGNATURE}");
    let Ok(signed) = SignedUrl::try_from(url.clone()) else {
        return;
    };
    assert_eq!(signed.as_str(), url);
    let link = DownloadLink::from(&signed);
    assert!(!format!("{signed:?} {link:?}").contains(SIGNATURE));
    if let Err(error) = client.download(signed).to_vec(1_000) {
        check_shown(&error, SIGNATURE);
    }

    let connected = service.connected();
    assert!(connected.len() <= 6, "{connected:?}");
    let mut was_secure = false;
    for (index, uri) in connected.iter().enumerate() {
        let is_secure = uri.scheme_str() == Some("https");
        let is_link = index == 0;
        assert!(is_secure || is_here(uri) || !is_link, "{connected:?}");
        assert!(is_secure || !was_secure, "{connected:?}");
        was_secure = is_secure;
    }
    let received = String::from_utf8_lossy(&service.received()).to_lowercase();
    assert!(!received.contains("x-api-key") || text.to_lowercase().contains("x-api-key"));
    assert!(!received.contains(&KEY.to_lowercase()) || text.contains(KEY));
});

/// Whether a URI leads to this machine.
fn is_here(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    host == "localhost" || host == "[::1]" || host.starts_with("127.")
}
