//! Says what picture was built in.

/// Empty when the build was given no key, project and image.
const PICTURE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/picture.jpg"));

fn main() {
    match PICTURE {
        [] => println!("built without the picture"),
        [0xff, 0xd8, ..] => println!("built with a JPEG of {} bytes", PICTURE.len()),
        _ => println!("built with {} bytes that are no JPEG", PICTURE.len()),
    }
}
