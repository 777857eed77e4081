//! `bare URL CALLS [THREADS [limits]]`: the same calls by hand, as `ureq`'s and `serde_json`'s front pages would have them.
//! With `limits` each phase of a call has a time limit, as in the crate. `ureq` sets it on the socket before each read and
//! write.

use std::time::Duration;

use imagen_ai_peers::wire::{Answer, Request};

fn main() {
    let (url, calls, threads) = imagen_ai_peers::arguments();
    let url = format!("{url}/projects/65f3a1c2d4e5f6a7b8c9d0e1/images/DSC_0001.JPEG/copilot");
    let limit = std::env::args().nth(4).map(|_| Duration::from_secs(300));
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_send_request(limit)
        .timeout_send_body(limit)
        .timeout_recv_response(limit)
        .timeout_recv_body(limit)
        .build()
        .into();
    imagen_ai_peers::on_threads(threads, || {
        for _ in 0..calls {
            let body = serde_json::to_vec(&Request {
                instruction: "make the sky more blue",
                parent_version_id: None,
                project_source: "REGULAR",
            })
            .unwrap();
            let mut response = agent
                .post(&url)
                .header("x-api-key", imagen_ai_peers::KEY)
                .header("content-type", "application/json")
                .send(&body[..])
                .unwrap();
            let answer: Answer =
                serde_json::from_slice(&response.body_mut().read_to_vec().unwrap()).unwrap();
            assert!(answer.version_id > 0);
        }
    });
}
