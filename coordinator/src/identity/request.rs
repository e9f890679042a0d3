use rcgen::CertificateSigningRequestParams;

/// A signing request is a public key and a signature; 8 KiB holds RSA-8192.
const REQUEST_LIMIT: usize = 8 * 1024;

/// A signing request that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the CSR must be a PKCS #10 request in DER, at most 8 KiB, signed by its own key: {0}")]
pub struct RequestError(String);

/// The public key of a signing request. Everything else that the request asks
/// for (names, a CA flag, key usages) is dropped: nothing of it is signed.
///
/// # Errors
///
/// If it is no request, or not signed by the key in it.
pub fn public_key(csr: &[u8]) -> Result<rcgen::PublicKey, RequestError> {
    if csr.len() > REQUEST_LIMIT {
        return Err(RequestError(format!("it has {} bytes", csr.len())));
    }
    CertificateSigningRequestParams::from_der(&csr.into())
        .map(|request| request.public_key)
        .map_err(|error| RequestError(error.to_string()))
}
