#![no_main]

libfuzzer_sys::fuzz_target!(init: chatwire_fuzz::seeds::write("framing"), |data: &[u8]| chatwire_fuzz::framing::check(data));
