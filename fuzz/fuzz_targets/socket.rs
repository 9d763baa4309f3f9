#![no_main]

libfuzzer_sys::fuzz_target!(init: chatwire_fuzz::seeds::write("socket"), |data: &[u8]| chatwire_fuzz::socket::check(data));
