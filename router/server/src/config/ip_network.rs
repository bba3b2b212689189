//! Address ranges like `10.0.0.0/8` (RFC 4632).

use std::net::IpAddr;

use serde::Deserialize;

/// Ranges of addresses. An entry of the list may hold several with commas between, or none: one environment variable then
/// says all that are in front of a router, also where nothing is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct IpNetworks(pub Vec<IpNetwork>);

impl TryFrom<Vec<String>> for IpNetworks {
    type Error = String;

    fn try_from(entries: Vec<String>) -> Result<Self, String> {
        let texts = entries.iter().flat_map(|entry| entry.split(',')).map(str::trim);
        let parse = |text: &str| IpNetwork::try_from(text.to_owned());
        let networks: Result<_, _> = texts.filter(|text| !text.is_empty()).map(parse).collect();
        networks.map(Self)
    }
}

/// A range of addresses: all that share the first `prefix_bits` with `address`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpNetwork {
    address: IpAddr,
    prefix_bits: u32,
}

impl IpNetwork {
    /// Whether `address` is in the range. An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                (network.to_bits() ^ address.to_bits()).leading_zeros() >= self.prefix_bits
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                (network.to_bits() ^ address.to_bits()).leading_zeros() >= self.prefix_bits
            }
            _ => false,
        }
    }
}

impl TryFrom<String> for IpNetwork {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fault = || format!("`{text}` is not a network: write an address or a range like `10.0.0.0/8`");
        let (address, prefix) = text
            .split_once('/')
            .map_or((text.as_str(), None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| fault())?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = prefix.map_or(Ok(bits_max), str::parse).map_err(|_| fault())?;
        if prefix_bits > bits_max {
            return Err(fault());
        }
        Ok(Self { address, prefix_bits })
    }
}
