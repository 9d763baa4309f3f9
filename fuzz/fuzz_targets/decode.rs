#![no_main]

libfuzzer_sys::fuzz_target!(init: chatwire_fuzz::seeds::write("decode"), |data: &[u8]| chatwire_fuzz::decode::check(data));
