//! `reqwest URL CALLS [THREADS]`: the same calls by `reqwest::blocking`.

use imagen_ai_peers::wire::{Answer, Request};

fn main() {
    let (url, calls, threads) = imagen_ai_peers::arguments();
    let url = format!("{url}/projects/65f3a1c2d4e5f6a7b8c9d0e1/images/DSC_0001.JPEG/copilot");
    let client = reqwest::blocking::Client::new();
    imagen_ai_peers::on_threads(threads, || {
        for _ in 0..calls {
            let answer: Answer = client
                .post(&url)
                .header("x-api-key", imagen_ai_peers::KEY)
                .json(&Request {
                    instruction: "make the sky more blue",
                    parent_version_id: None,
                    project_source: "REGULAR",
                })
                .send()
                .unwrap()
                .json()
                .unwrap();
            assert!(answer.version_id > 0);
        }
    });
}
