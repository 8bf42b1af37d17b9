//! Who may change the scene.

use super::{ConfigError, Key, Origin, Setting};
use crate::session::Drive;

pub(super) const DRIVE_TOKEN_VARIABLE: &str = "NAPARI_CUDA_DRIVE_TOKEN";

/// A token alone means that it is needed.
pub(super) fn drive(
    who: Option<String>,
    token: Option<String>,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Setting<Drive>, ConfigError> {
    const TOKEN: Key = Key {
        flag: "--drive-token",
        variable: DRIVE_TOKEN_VARIABLE,
        allowed: "1 to 256 letters, digits or signs without blanks",
    };
    enum Who {
        Everyone,
        First,
        Token,
    }
    let token = TOKEN.setting(token, &env, None, |text| {
        let fits = text.len() <= 256 && text.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| Some(text.to_owned()))
    });
    // Neither message nor log may hold a secret, and it is one even if it is malformed.
    let token = token.map_err(ConfigError::without_value)?;
    let key = Key { flag: "--drive", variable: "NAPARI_CUDA_DRIVE", allowed: "everyone, first or token" };
    let who = key.setting(who, &env, None, |text| match text.to_ascii_lowercase().as_str() {
        "everyone" => Some(Some(Who::Everyone)),
        "first" => Some(Some(Who::First)),
        "token" => Some(Some(Who::Token)),
        _ => None,
    })?;
    Ok(match (who.value, token.value) {
        (Some(Who::Everyone), _) => Setting { value: Drive::Everyone, origin: who.origin },
        (Some(Who::First), _) => Setting { value: Drive::First, origin: who.origin },
        (Some(Who::Token), Some(token)) => Setting { value: Drive::Token(token), origin: who.origin },
        (Some(Who::Token), None) => return Err(ConfigError::NoDriveToken),
        (None, Some(secret)) => Setting { value: Drive::Token(secret), origin: token.origin },
        (None, None) => Setting { value: Drive::Everyone, origin: Origin::Default },
    })
}
