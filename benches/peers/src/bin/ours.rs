//! `ours URL CALLS [THREADS]`: copilot calls through this crate.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (url, calls, threads) = imagen_ai_peers::arguments();
    let client = imagen_ai::Client::builder(imagen_ai_peers::KEY)
        .base_url(url)
        .build()?;
    let photo = client
        .project("65f3a1c2d4e5f6a7b8c9d0e1")
        .image("DSC_0001.JPEG");
    imagen_ai_peers::on_threads(threads, || {
        for _ in 0..calls {
            let edit = photo.copilot("make the sky more blue").unwrap();
            assert!(edit.version_id.is_some());
        }
    });
    Ok(())
}
