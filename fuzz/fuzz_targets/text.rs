#![no_main]

libfuzzer_sys::fuzz_target!(init: chatwire_fuzz::seeds::write("text"), |data: &[u8]| chatwire_fuzz::text::check(data));
