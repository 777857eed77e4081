//! What a build can do that has a feature, and what one says that has it not.

use mockito::Matcher;

use crate::support::wire::{OK, Wire};
#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
use crate::support::{link, refused, with_both_agents};

#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
#[test]
fn https_is_refused_with_the_features_that_it_needs() {
    use imagen_ai::Client;

    for url in ["https://api.example.test", "https://localhost:1"] {
        for builder in with_both_agents(|| Client::builder("key").base_url(url)) {
            let text = refused(builder.build(), "base_url");
            assert!(text.contains("rustls or native-tls"), "{text}");
        }
    }
    for builder in with_both_agents(|| Client::builder("key").base_url("http://localhost")) {
        let client = builder.build().unwrap();
        let text = refused(
            client
                .download(link("https://s3.example.test/a.jpg"))
                .to_vec(1),
            "url",
        );
        assert!(text.contains("rustls or native-tls"), "{text}");
    }
}

#[test]
fn gzip_is_asked_for_where_it_can_be_read() {
    let expected = if cfg!(feature = "gzip") {
        Matcher::from("gzip")
    } else {
        Matcher::Missing
    };
    let mut wire = Wire::new();
    let sent = wire
        .answers("POST", "/v1/projects/p/images/a.jpg/copilot", 200, OK)
        .match_header("accept-encoding", expected)
        .create();

    let image = wire.client().project("p").image("a.jpg");
    image.copilot("x").unwrap();

    sent.assert();
}

#[cfg(feature = "gzip")]
#[test]
fn a_compressed_answer_is_read_and_a_damaged_one_is_a_typed_error() {
    // {"enhanced_image_url":"https://s3/a"}
    const WHOLE: &[u8] =
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xabVJ\xcd\xcbH\xccKNM\x89\xcf\xccMLO\x8d/\
        -\xcaQ\xb2R\xca())(\xb6\xd2\xd7/6\xd6OT\xaa\x05\x00\x8d\x8a\xbd\xbe%\x00\x00\x00";
    let call = |body: &[u8]| {
        let mut wire = Wire::new();
        let answer = wire.answers("POST", Matcher::Any, 200, body);
        answer.with_header("content-encoding", "gzip").create();
        wire.client().project("p").image("a.jpg").copilot("x")
    };
    call(WHOLE).unwrap();
    let (crc, end) = (WHOLE.len() - 8, WHOLE.len() - 1);
    let cut = [5, 12, 30, crc, end].map(|length| WHOLE[..length].to_vec());
    let damaged = [0, 12, crc, end].map(|place| {
        let mut damaged = WHOLE.to_vec();
        damaged[place] ^= 0x10;
        damaged
    });
    for body in cut.into_iter().chain(damaged) {
        match call(&body) {
            Err(imagen_ai::Error::OutcomeUnknown(e)) => {
                assert_eq!(e.cause.kind, imagen_ai::CauseKind::Protocol)
            }
            other => panic!("{other:?}"),
        }
    }
}
