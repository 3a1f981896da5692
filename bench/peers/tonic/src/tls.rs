//! The one cipher suite that all contenders use.

use tokio_rustls::rustls::crypto::{ring, CryptoProvider};

/// Of every TLS connection that this process makes from now on.
pub fn pin_cipher_suite() {
    let suite = ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let provider = CryptoProvider { cipher_suites: vec![suite], ..ring::default_provider() };
    provider.install_default().expect("nothing was installed before");
}
