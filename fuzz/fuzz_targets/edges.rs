#![no_main]

libfuzzer_sys::fuzz_target!(init: chatwire_fuzz::seeds::write("edges"), |data: &[u8]| chatwire_fuzz::edges::check(data));
