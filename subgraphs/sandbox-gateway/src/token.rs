//! Magic payment tokens: each names the fate of the payment made with it.

use std::time::Duration;

/// What the gateway does with a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// What becomes of the payment itself.
    pub decision: Decision,
    /// What the caller of the *create* call sees.
    pub answer: Answer,
    /// What the caller of the first *capture* sees.
    pub capture_answer: Answer,
    /// What becomes of refunds.
    pub refund: RefundFate,
}

/// What becomes of a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundFate {
    /// The money goes back.
    Booked,
    /// It is refused.
    Refused,
    /// It is booked, and the shopper's bank sends the money back after this time.
    ReturnedAfter(Duration),
}

/// What becomes of the payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Authorized at once.
    Approve,
    /// Declined with this code.
    Decline(&'static str),
    /// The shopper decides on a page; then authorized.
    ThreeDSecure,
    /// The shopper decides on a page reached by a QR code; then captured, as wallets that pay first do.
    QrCode,
    /// Authorized later, without anybody asking.
    Later(Duration),
    /// The shopper's browser has yet to bring a token.
    Form,
}

/// What the caller sees of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The truth, at once.
    Prompt,
    /// The truth, late.
    Slow(Duration),
    /// The work is done; the connection hangs until the caller gives up.
    HangAfter,
    /// Nothing is done and the connection hangs.
    HangBefore,
    /// Nothing is done and 500 is answered.
    ErrorBefore,
    /// Nothing is done the first time and the connection hangs; the second call is prompt.
    HangBeforeOnce,
    /// Nothing is done the first time and 500 is answered; the second call is prompt.
    ErrorBeforeOnce,
    /// The work is done, and 500 is answered, for this key for ever.
    ErrorAfter,
    /// Nothing is done, and 500 is answered, for this key for ever.
    ErrorStored,
}

/// Every token, its fate, and the words of the README and of the start page.
pub const TOKENS: &[(&str, Fate, &str)] = &[
    ("tok_ok", APPROVE, "authorized at once"),
    (
        "tok_3ds",
        decided(Decision::ThreeDSecure),
        "asks the shopper to approve (3-D Secure page)",
    ),
    (
        "tok_qr",
        decided(Decision::QrCode),
        "shows a QR code; paid when approved",
    ),
    ("tok_declined", decided(Decision::Decline("card_declined")), "declined"),
    (
        "tok_declined_insufficient_funds",
        decided(Decision::Decline("insufficient_funds")),
        "declined: no money",
    ),
    (
        "tok_declined_expired_card",
        decided(Decision::Decline("expired_card")),
        "declined: the card has expired",
    ),
    (
        "tok_slow_5s",
        answered(Answer::Slow(Duration::from_secs(5))),
        "authorized; answers after 5 s",
    ),
    (
        "tok_async_10s",
        decided(Decision::Later(Duration::from_secs(10))),
        "processing; authorized after 10 s",
    ),
    (
        "tok_timeout_after_success",
        answered(Answer::HangAfter),
        "authorized; the answer never comes",
    ),
    (
        "tok_timeout_before",
        answered(Answer::HangBeforeOnce),
        "nothing happens and no answer comes; then fine",
    ),
    (
        "tok_500_then_ok",
        answered(Answer::ErrorBeforeOnce),
        "500 and nothing done; then fine",
    ),
    (
        "tok_500_after_success",
        answered(Answer::ErrorAfter),
        "authorized, but answers 500",
    ),
    (
        "tok_capture_timeout_after_success",
        captured(Answer::HangAfter),
        "captured; the answer never comes",
    ),
    (
        "tok_capture_500_then_ok",
        captured(Answer::ErrorBeforeOnce),
        "the first capture answers 500; then fine",
    ),
    (
        "tok_refund_refused",
        refunds(RefundFate::Refused),
        "authorized; refunds are refused",
    ),
    (
        "tok_refund_returned",
        refunds(RefundFate::ReturnedAfter(Duration::from_secs(10))),
        "authorized; refunds succeed, and fail 10 s later (not at Alipay)",
    ),
];

const APPROVE: Fate = Fate {
    decision: Decision::Approve,
    answer: Answer::Prompt,
    capture_answer: Answer::Prompt,
    refund: RefundFate::Booked,
};

const fn decided(decision: Decision) -> Fate {
    Fate { decision, ..APPROVE }
}

const fn answered(answer: Answer) -> Fate {
    Fate { answer, ..APPROVE }
}

const fn refunds(refund: RefundFate) -> Fate {
    Fate { refund, ..APPROVE }
}

const fn captured(capture_answer: Answer) -> Fate {
    Fate {
        capture_answer,
        ..APPROVE
    }
}

/// The fate of payments made with `token`; `None` for a token that is not listed.
pub fn fate(token: &str) -> Option<Fate> {
    TOKENS
        .iter()
        .find(|(name, _, _)| *name == token)
        .map(|(_, fate, _)| *fate)
}

/// What a shopper should read about a decline.
pub fn decline_message(code: &str) -> &'static str {
    match code {
        "insufficient_funds" => "The account has not enough money.",
        "expired_card" => "The card has expired.",
        "authentication_failed" => "The payment was not approved.",
        _ => "The bank declined the payment.",
    }
}
