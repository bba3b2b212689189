# syntax=docker/dockerfile:1
#
# One binary of the workspace as an image:
#
#     docker build --build-arg SERVICE=users -t hansa/users .
#
# SERVICE: users, products, orders, payments, reviews, sandbox-gateway, router, or hansa (everything in one process).
# BASE: `gcr.io/distroless/cc-debian12:debug-nonroot` adds a shell, to look into a container.
ARG BASE=gcr.io/distroless/cc-debian12:nonroot

FROM docker.io/library/node:22-bookworm-slim AS page
WORKDIR /page
COPY router/playground/package.json router/playground/package-lock.json router/playground/.npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --no-audit --no-fund
COPY router/playground/ ./
RUN npm run build

FROM docker.io/library/rust:1.95-bookworm AS build
ARG SERVICE
WORKDIR /build
COPY . .
COPY --from=page /page/dist /page/dist
# Bookworm's glibc is the one of the final image. The caches outlive the layer, so the binary is copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    test -n "$SERVICE" || { echo "pass --build-arg SERVICE=<binary>" >&2; exit 1; } \
    && ROUTER_PLAYGROUND_DIST=/page/dist cargo build --locked --workspace --release --bin "$SERVICE" \
    && cp "target/release/$SERVICE" /service

# No shell, no package manager; certificates, and a user 65532 that owns nothing.
# hadolint ignore=DL3006
FROM ${BASE}
COPY --from=build /service /usr/local/bin/service
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/service"]
CMD ["serve"]
