#![no_main]

libfuzzer_sys::fuzz_target!(init: chatwire_fuzz::seeds::write("config"), |data: &[u8]| chatwire_fuzz::config::check(data));
