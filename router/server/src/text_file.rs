//! Files of text, as people and editors save them.
//!
//! UTF-8, with or without a byte order mark. What is in another encoding is refused with a line that says which, because
//! "invalid UTF-8" sends nobody to the right menu.

use std::io;
use std::path::Path;

/// Reads `path` as text, without its byte order mark.
///
/// # Errors
/// Those of the file system, and `InvalidData` for what is not UTF-8.
pub(crate) async fn read(path: &Path) -> io::Result<String> {
    decode(tokio::fs::read(path).await?)
}

/// The same, for whoever may block.
pub(crate) fn read_blocking(path: &Path) -> io::Result<String> {
    decode(std::fs::read(path)?)
}

fn decode(mut bytes: Vec<u8>) -> io::Result<String> {
    if bytes.starts_with(&[0xef, 0xbb, 0xbf]) {
        bytes.drain(..3);
    }
    // Text has no null character; in UTF-16 every second byte of ASCII is one, so that it would pass for UTF-8.
    let is_utf_16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) || bytes.contains(&0);
    if is_utf_16 {
        return Err(invalid("it is UTF-16 or no text at all; save it as UTF-8".to_owned()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        invalid(format!("line {line} is not UTF-8; save the file as UTF-8"))
    })
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_told_apart() {
        let utf_16_without_mark: Vec<u8> = "type".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (bytes, expected) in [
            (b"type \xc3\xa9".to_vec(), Ok("type é")),
            (b"\xef\xbb\xbftype".to_vec(), Ok("type")),
            (
                b"\xff\xfet\0y\0".to_vec(),
                Err("it is UTF-16 or no text at all; save it as UTF-8"),
            ),
            (
                utf_16_without_mark,
                Err("it is UTF-16 or no text at all; save it as UTF-8"),
            ),
            (b"a\nb\xe9".to_vec(), Err("line 2 is not UTF-8; save the file as UTF-8")),
            (Vec::new(), Ok("")),
        ] {
            let decoded = decode(bytes).map_err(|error| error.to_string());
            assert_eq!(decoded.as_deref().map_err(String::as_str), expected);
        }
    }
}
