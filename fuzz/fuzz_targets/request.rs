#![no_main]

libfuzzer_sys::fuzz_target!(init: chatwire_fuzz::seeds::write("request"), |data: &[u8]| chatwire_fuzz::request::check(data));
