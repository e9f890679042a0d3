use std::time::Duration;

use pinion_model::Timestamp;
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PublicKeyData, SanType, SerialNumber,
};
use rustls_pki_types::CertificateDer;

use super::certificate::{self, hex};
use super::{Authority, AuthorityError, Subject};

/// Certificates start this long before they are made, for clocks that differ;
/// short ones by this part of their life, so that half of it is still to come.
const BACKDATE: Duration = Duration::from_secs(3600);
const BACKDATE_PART: u32 = 24;

/// From when to when, and for what, a certificate is good.
#[derive(Debug, Clone, Copy)]
pub struct Validity {
    /// When it is issued; it is backdated by an hour at most.
    pub from: Timestamp,
    /// For how long from then.
    pub life: Duration,
}

impl Validity {
    /// The last instant, in whole seconds as certificates count.
    #[must_use]
    pub fn not_after(self) -> Timestamp {
        let end = self.from + self.life;
        Timestamp(end.0 / 1000 * 1000)
    }
}

/// A certificate that was just issued.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate.
    pub der: CertificateDer<'static>,
    /// The same as PEM.
    pub pem: String,
    /// SHA-256 of its DER in lower-case hex.
    pub fingerprint: String,
    /// Its serial number in lower-case hex.
    pub serial: String,
    /// The last instant at which it is good.
    pub not_after: Timestamp,
}

impl Authority {
    /// A client certificate that says that the holder of `key` is `subject`.
    ///
    /// # Errors
    ///
    /// If signing fails.
    pub fn issue_client(
        &self,
        subject: &Subject,
        key: &impl PublicKeyData,
        valid: Validity,
    ) -> Result<Issued, AuthorityError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(&subject.to_string());
        params.subject_alt_names = vec![SanType::URI(subject.uri(self.domain()).try_into()?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params, key, valid)
    }

    /// A server certificate for `names`.
    ///
    /// # Errors
    ///
    /// If a name cannot stand in a certificate, or signing fails.
    pub(super) fn issue_server(
        &self,
        names: Vec<SanType>,
        key: &KeyPair,
        valid: Validity,
    ) -> Result<Issued, AuthorityError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name("Pinion coordinator");
        params.subject_alt_names = names;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params, key, valid)
    }

    fn issue(
        &self,
        mut params: CertificateParams,
        key: &impl PublicKeyData,
        valid: Validity,
    ) -> Result<Issued, AuthorityError> {
        let serial = serial();
        validity(&mut params, valid);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial.clone());
        let signed = params.signed_by(key, self.issuer())?;
        Ok(Issued {
            fingerprint: certificate::fingerprint(signed.der()),
            der: signed.der().clone(),
            pem: signed.pem(),
            serial: hex(&serial.to_bytes()),
            not_after: valid.not_after(),
        })
    }
}

pub(super) fn validity(params: &mut CertificateParams, valid: Validity) {
    let instant = |at: Timestamp| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_millis(at.0);
    let backdate = BACKDATE.min(valid.life / BACKDATE_PART);
    let start = valid
        .from
        .0
        .saturating_sub(u64::try_from(backdate.as_millis()).unwrap_or(0));
    params.not_before = instant(Timestamp(start / 1000 * 1000));
    params.not_after = instant(valid.not_after());
}

pub(super) fn common_name(name: &str) -> rcgen::DistinguishedName {
    let mut distinguished = rcgen::DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// 127 random bits, never starting with a zero byte, so that DER keeps the
/// bytes as they are.
pub(super) fn serial() -> SerialNumber {
    let mut bytes: [u8; 16] = rand::random();
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from_slice(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_begins_an_hour_before_it_is_made_and_a_short_one_less() {
        for (life, backdate) in [(90 * 86_400, 3600), (86_400, 3600), (240, 10)] {
            let mut params = CertificateParams::default();
            let valid = Validity {
                from: Timestamp(1_800_000_000_000),
                life: Duration::from_secs(life),
            };
            validity(&mut params, valid);
            let whole = (params.not_after - params.not_before).whole_seconds();
            assert_eq!(whole.unsigned_abs(), life + backdate);
        }
    }
}
