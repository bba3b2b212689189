//! Where an order stands, and where it may go.

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderStatus {
    /// Accepted; stock is being reserved.
    Pending,
    /// Reserved, waiting for payment.
    AwaitingPayment,
    /// The shopper must act at the gateway.
    RequiresAction,
    /// The gateway has not said yes or no yet, or the money is on its way.
    PaymentProcessing,
    /// Paid.
    Paid,
    /// Sent.
    Fulfilled,
    /// Called off by the shopper or the shop.
    Cancelled,
    /// Not paid in time.
    Expired,
    /// It cannot be.
    Failed,
    /// Some of the money went back.
    PartiallyRefunded,
    /// All of the money went back.
    Refunded,
}

/// Why an order failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureReason {
    /// Less is on hand than was ordered.
    OutOfStock,
    /// A variant is not sold any more.
    ProductUnavailable,
    /// A price changed between the quote and the reservation.
    PriceChanged,
    /// The payment was refused for good.
    PaymentDeclined,
    /// The payment took too long.
    PaymentExpired,
    /// A service did not answer for too long.
    Internal,
}

const STATUSES: &[(&str, OrderStatus)] = &[
    ("PENDING", OrderStatus::Pending),
    ("AWAITING_PAYMENT", OrderStatus::AwaitingPayment),
    ("REQUIRES_ACTION", OrderStatus::RequiresAction),
    ("PAYMENT_PROCESSING", OrderStatus::PaymentProcessing),
    ("PAID", OrderStatus::Paid),
    ("FULFILLED", OrderStatus::Fulfilled),
    ("CANCELLED", OrderStatus::Cancelled),
    ("EXPIRED", OrderStatus::Expired),
    ("FAILED", OrderStatus::Failed),
    ("PARTIALLY_REFUNDED", OrderStatus::PartiallyRefunded),
    ("REFUNDED", OrderStatus::Refunded),
];

const REASONS: &[(&str, FailureReason)] = &[
    ("OUT_OF_STOCK", FailureReason::OutOfStock),
    ("PRODUCT_UNAVAILABLE", FailureReason::ProductUnavailable),
    ("PRICE_CHANGED", FailureReason::PriceChanged),
    ("PAYMENT_DECLINED", FailureReason::PaymentDeclined),
    ("PAYMENT_EXPIRED", FailureReason::PaymentExpired),
    ("INTERNAL", FailureReason::Internal),
];

impl OrderStatus {
    /// The name in the database and in the graph.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        name(STATUSES, self)
    }

    /// The status of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        STATUSES
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, status)| *status)
    }

    /// Whether an order may move from here to `to`.
    ///
    /// ```text
    /// PENDING ─ AWAITING_PAYMENT ─┬─ PAYMENT_PROCESSING ─ PAID ─ FULFILLED
    ///                             └─ REQUIRES_ACTION ─┘    └──────┴─ PARTIALLY_REFUNDED ─ REFUNDED
    /// ```
    /// and from every state before `FULFILLED` to `CANCELLED`, before `PAID` to `EXPIRED` and `FAILED`. From the last two it goes
    /// back as far as money that was given back does not arrive.
    #[must_use]
    pub fn may_become(self, to: Self) -> bool {
        use OrderStatus as S;
        match self {
            S::Pending => matches!(to, S::AwaitingPayment | S::Cancelled | S::Expired | S::Failed),
            S::AwaitingPayment => {
                matches!(
                    to,
                    S::RequiresAction | S::PaymentProcessing | S::Cancelled | S::Expired | S::Failed
                )
            }
            S::RequiresAction => matches!(
                to,
                S::AwaitingPayment | S::PaymentProcessing | S::Cancelled | S::Expired | S::Failed
            ),
            S::PaymentProcessing => matches!(
                to,
                S::AwaitingPayment | S::RequiresAction | S::Paid | S::Cancelled | S::Expired | S::Failed
            ),
            S::Paid => matches!(to, S::Fulfilled | S::Cancelled | S::PartiallyRefunded | S::Refunded),
            S::Fulfilled => matches!(to, S::PartiallyRefunded | S::Refunded),
            S::PartiallyRefunded => matches!(to, S::Refunded | S::Fulfilled | S::Paid),
            S::Refunded => matches!(to, S::PartiallyRefunded | S::Fulfilled | S::Paid),
            S::Cancelled | S::Expired | S::Failed => false,
        }
    }

    /// Whether the shopper can call the order off: until it is sent. While the gateway is deciding, the saga lets go of,
    /// or gives back, whatever comes of it.
    #[must_use]
    pub fn can_cancel(self) -> bool {
        use OrderStatus as S;
        matches!(
            self,
            S::Pending | S::AwaitingPayment | S::RequiresAction | S::PaymentProcessing | S::Paid
        )
    }

    /// Whether a payment can be started.
    #[must_use]
    pub fn can_pay(self) -> bool {
        self == Self::AwaitingPayment
    }

    /// Those in which an order holds stock, or soon will, and nobody has paid for it yet.
    pub const UNPAID: [Self; 4] = [
        Self::Pending,
        Self::AwaitingPayment,
        Self::RequiresAction,
        Self::PaymentProcessing,
    ];

    /// Whether nothing was bought in the end: the shop may keep no money for it.
    #[must_use]
    pub fn is_called_off(self) -> bool {
        use OrderStatus as S;
        matches!(self, S::Cancelled | S::Expired | S::Failed)
    }

    /// Whether a shopper need not wait for another one.
    #[must_use]
    pub fn is_final(self) -> bool {
        self.is_called_off() || self == Self::Refunded
    }

    /// Whether the shop holds money of the shopper.
    #[must_use]
    pub fn is_paid(self) -> bool {
        use OrderStatus as S;
        matches!(self, S::Paid | S::Fulfilled | S::PartiallyRefunded)
    }
}

impl FailureReason {
    /// The name in the database and in the graph.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        name(REASONS, self)
    }

    /// The reason of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        REASONS
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, reason)| *reason)
    }
}

fn name<T: PartialEq + Copy>(names: &[(&'static str, T)], value: T) -> &'static str {
    let found = names.iter().find(|(_, known)| *known == value);
    found.map(|(name, _)| *name).expect("every variant is in its table")
}
