//! What a build can do that has a feature, and what one says that has it not.

use crate::support::canned::{Canned, OK};

#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
#[test]
fn https_is_refused_with_the_features_that_it_needs() {
    for url in ["https://api.example.test", "https://localhost:1"] {
        let agent = imagen_ai::ureq::Agent::new_with_defaults();
        let builder = || imagen_ai::Client::builder("key").base_url(url);
        for builder in [builder(), builder().agent(agent)] {
            let error = builder.build().unwrap_err().to_string();
            assert!(error.starts_with("base_url: ") && error.contains("rustls or native-tls"), "{error}");
        }
    }
    assert!(imagen_ai::Client::new("key").is_err());
}

#[test]
fn gzip_is_asked_for_where_it_can_be_read() {
    let server = Canned::new(200, OK);
    server.client().project("p").image("a.jpg").copilot("x").unwrap();
    let expected = cfg!(feature = "gzip").then_some("gzip");
    assert_eq!(server.only().header("accept-encoding"), expected);
}

#[cfg(not(feature = "gzip"))]
#[test]
fn gzip_that_nobody_asked_for_is_no_json() {
    let server = Canned::with_headers(200, &[("content-encoding", "gzip")], [0x1f, 0x8b, 8, 0]);
    let error = server.client().project("p").ai_tools().unwrap_err();
    assert!(matches!(error, imagen_ai::Error::Decode(_)), "{error}");
}

#[cfg(feature = "gzip")]
mod gzip {
    use imagen_ai::{CauseKind, Error};

    use super::*;

    /// [RFC 1952](https://www.rfc-editor.org/rfc/rfc1952): a head, the deflated bytes, and what they must be once they
    /// are not.
    fn member(deflated: &[u8], plain: &[u8]) -> Vec<u8> {
        let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        let length = (plain.len() as u32).to_le_bytes();
        [&head[..], deflated, &crc32(plain).to_le_bytes(), &length].concat()
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes
            .iter()
            .fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1))))
    }

    /// One stored block, [RFC 1951, section 3.2.4](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.4).
    fn stored(text: &str) -> Vec<u8> {
        let length = text.len() as u16;
        let block = [&[1], &length.to_le_bytes()[..], &(!length).to_le_bytes(), text.as_bytes()].concat();
        member(&block, text.as_bytes())
    }

    #[test]
    fn a_compressed_answer_is_read_and_a_damaged_one_is_a_typed_error() {
        let whole = stored(OK);
        let call = |body: Vec<u8>| {
            let server = Canned::with_headers(200, &[("content-encoding", "gzip")], body);
            server.client().project("p").image("a.jpg").copilot("x")
        };
        call(whole.clone()).unwrap();
        let cut = [5, 12, 40, whole.len() - 8, whole.len() - 1].map(|length| whole[..length].to_vec());
        let damaged = [0, 12, whole.len() - 8, whole.len() - 1].map(|place| {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x10;
            damaged
        });
        for body in cut.into_iter().chain(damaged) {
            match call(body) {
                Err(Error::OutcomeUnknown(e)) => assert_eq!(e.cause.kind, CauseKind::Protocol),
                other => panic!("{other:?}"),
            }
        }
    }
}
