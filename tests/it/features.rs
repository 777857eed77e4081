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
            assert!(
                error.starts_with("base_url: ") && error.contains("rustls or native-tls"),
                "{error}"
            );
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
    use std::time::{Duration, Instant};

    use imagen_ai::{CauseKind, Client, ClientBuilder, Error};

    use super::*;
    use crate::support::canned::KEY;
    use crate::support::faulty::{End, Faulty, Reply};

    const SPACES: usize = 1 << 19;

    /// [RFC 1952](https://www.rfc-editor.org/rfc/rfc1952): a head, the deflated bytes, and what they must be once they
    /// are not.
    fn member(deflated: &[u8], plain: &[u8]) -> Vec<u8> {
        let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        let length = (plain.len() as u32).to_le_bytes();
        [&head[..], deflated, &crc32(plain).to_le_bytes(), &length].concat()
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
        })
    }

    /// One stored block, [RFC 1951, section 3.2.4](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.4).
    fn stored(text: &str) -> Vec<u8> {
        let length = text.len() as u16;
        let block = [
            &[1],
            &length.to_le_bytes()[..],
            &(!length).to_le_bytes(),
            text.as_bytes(),
        ]
        .concat();
        member(&block, text.as_bytes())
    }

    /// Half a mebibyte of white space in less than 3.5 kB: a space, and "258 more of it" (13 bits) again and again, in the
    /// fixed code of [RFC 1951, section 3.2.6](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.6).
    fn bomb() -> Vec<u8> {
        let mut bits = String::from("110"); // the last block, of the fixed code
        let space = |bits: &mut String| bits.push_str("01010000");
        space(&mut bits);
        for _ in 0..(SPACES - 1) / 258 {
            bits.push_str("1100010100000"); // the last of the lengths, at a distance of one
        }
        for _ in 0..(SPACES - 1) % 258 {
            space(&mut bits);
        }
        bits.push_str("0000000"); // the end of the block
        let byte = |bits: &[u8]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | (bit - b'0'));
        let deflated: Vec<u8> = bits.as_bytes().chunks(8).map(byte).collect();
        assert!(deflated.len() < 3500);
        member(&deflated, &[b' '; SPACES])
    }

    fn serve(body: Vec<u8>) -> Canned {
        Canned::with_headers(200, &[("content-encoding", "gzip")], body)
    }

    #[track_caller]
    fn fails(builder: ClientBuilder, kind: CauseKind) {
        let client = builder.build().unwrap();
        match client.project("p").image("a.jpg").copilot("x") {
            Err(Error::OutcomeUnknown(e)) => assert_eq!((e.cause.kind, e.context.status), (kind, Some(200))),
            other => panic!("{other:?}"),
        }
        match client.project("p").ai_tools() {
            Err(Error::Network(e) | Error::Decode(e)) => {
                assert_eq!((e.cause.kind, e.context.status), (kind, Some(200)))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_compressed_answer_is_read() {
        let server = serve(stored(OK));
        server.client().project("p").image("a.jpg").copilot("x").unwrap();
    }

    #[test]
    fn the_limit_of_an_answer_counts_what_it_unpacks_to() {
        let server = serve([bomb(), stored(OK)].concat());
        fails(server.builder().max_answer_size(SPACES as u64), CauseKind::TooLarge);
        let exact = (SPACES + OK.len()) as u64;
        let client = server.builder().max_answer_size(exact).build().unwrap();
        client.project("p").image("a.jpg").copilot("x").unwrap();
        fails(server.builder().max_answer_size(exact - 1), CauseKind::TooLarge);
    }

    /// The rest of it never comes, so a client that wanted all of it would wait for its time limit.
    #[test]
    fn no_more_is_unpacked_than_the_limit() {
        let head = Reply::ok().header("content-encoding", "gzip");
        let server = Faulty::start([head.body(bomb()).cut_body(3000, End::Stall)]);
        let began = Instant::now();
        fails(
            Client::builder(KEY)
                .base_url(server.url())
                .timeout(Duration::from_secs(20))
                .max_answer_size(SPACES as u64 / 2),
            CauseKind::TooLarge,
        );
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_damaged_or_truncated_answer_is_a_typed_error() {
        let whole = stored(OK);
        for length in [5, 12, 40, whole.len() - 8, whole.len() - 1] {
            fails(serve(whole[..length].to_vec()).builder(), CauseKind::Protocol);
        }
        for place in [0, 12, whole.len() - 8, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x10;
            fails(serve(damaged).builder(), CauseKind::Protocol);
        }
    }
}
