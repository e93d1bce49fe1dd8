#![cfg_attr(feature = "link", no_main)]

use std::{convert::Infallible, io::Cursor};

use sensor_fuzz::fuzz_target;
use sensor_user::{
    capture::{Input, read_frames},
    replay::{link, rewrite},
};

fuzz_target!(|bytes: &[u8]| {
    let rewrites = ["10.0.0.0/8=81.0.0.0/8".parse().unwrap(), "fd00::/8=2a00::/8".parse().unwrap()];
    let mut buffer = Vec::new();
    let input = Input::of(Cursor::new(bytes.to_vec()), None).unwrap();
    let _ = read_frames(input, |frame| {
        if let Some(frame) = link::ethernet(&frame, &mut buffer) {
            rewrite::rewrite(frame, &rewrites);
        }
        Ok::<_, Infallible>(())
    });
});
