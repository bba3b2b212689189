//! Postal addresses.

use super::account::is_phone;
use super::refusal::{optional, required};
use super::{Reason, Refusal};

/// Most addresses of one account.
pub(crate) const ADDRESSES_MAX: u64 = 50;

/// An address of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) postal: AddressInput,
}

/// The lines of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AddressInput {
    pub(crate) name: String,
    pub(crate) company: Option<String>,
    pub(crate) line1: String,
    pub(crate) line2: Option<String>,
    pub(crate) city: String,
    pub(crate) region: Option<String>,
    pub(crate) postal_code: Option<String>,
    pub(crate) country_code: String,
    pub(crate) phone: Option<String>,
}

impl AddressInput {
    /// Trims and checks every line. What a country's post demands is left to carriers.
    pub(crate) fn checked(self) -> Result<AddressInput, Vec<Refusal>> {
        let mut refusals = Vec::new();
        let address = AddressInput {
            name: required("name", self.name, 100, &mut refusals),
            company: optional("company", self.company, 100, &mut refusals),
            line1: required("line1", self.line1, 200, &mut refusals),
            line2: optional("line2", self.line2, 200, &mut refusals),
            city: required("city", self.city, 100, &mut refusals),
            region: optional("region", self.region, 100, &mut refusals),
            postal_code: optional("postalCode", self.postal_code, 20, &mut refusals),
            country_code: self.country_code.trim().to_ascii_uppercase(),
            phone: optional("phone", self.phone, 32, &mut refusals),
        };
        if !COUNTRIES.split(' ').any(|country| country == address.country_code) {
            let message = "A country code (ISO 3166-1 alpha-2) such as DE.";
            refusals.push(Refusal::of("countryCode", Reason::Invalid, message));
        }
        if address.phone.as_deref().is_some_and(|phone| !is_phone(phone)) {
            refusals.push(Refusal::of(
                "phone",
                Reason::Invalid,
                "A telephone number such as +49 451 123456.",
            ));
        }
        if refusals.is_empty() {
            Ok(address)
        } else {
            Err(refusals)
        }
    }
}

/// ISO 3166-1 alpha-2.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR \
    BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES \
    ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN \
    IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG \
    MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL \
    PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF \
    TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";
