//! What mutations answer.

use super::category::Category;
use super::product::Product;
use super::variant::ProductVariant;
use crate::domain::problem::{Problem, ProblemCode};
use async_graphql::{Enum, ID, SimpleObject};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "ProblemCode")]
pub enum ProductErrorCode {
    NotFound,
    Required,
    Invalid,
    SlugTaken,
    SkuTaken,
    PriceNegative,
    CategoryCycle,
    CategoryNotEmpty,
    StockBelowReserved,
    VersionConflict,
}

service::user_error!(ProductUserError, ProductErrorCode);

impl From<Problem> for ProductUserError {
    fn from(problem: Problem) -> ProductUserError {
        let error = ProductUserError::new(problem.code.into(), problem.message);
        if problem.field.is_empty() {
            error
        } else {
            error.at(problem.field)
        }
    }
}

pub(super) fn user_errors(problems: Vec<Problem>) -> Vec<ProductUserError> {
    problems.into_iter().map(ProductUserError::from).collect()
}

#[derive(Default, SimpleObject)]
pub struct ProductPayload {
    pub(super) product: Option<Product>,
    pub(super) user_errors: Vec<ProductUserError>,
}

#[derive(Default, SimpleObject)]
pub struct CategoryPayload {
    pub(super) category: Option<Category>,
    pub(super) user_errors: Vec<ProductUserError>,
}

#[derive(Default, SimpleObject)]
pub struct CategoryDeletePayload {
    pub(super) deleted_category_id: Option<ID>,
    pub(super) user_errors: Vec<ProductUserError>,
}

#[derive(Default, SimpleObject)]
pub struct StockAdjustPayload {
    pub(super) variant: Option<ProductVariant>,
    pub(super) user_errors: Vec<ProductUserError>,
}
