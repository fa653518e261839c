# The version of rust-toolchain.toml.
ARG RUST_VERSION=1.95.0

# What the build of the dependencies depends on: the manifests, and that there are sources. The next stage copies the
# result, and a layer that copies files is cached by their contents: a change of a source file does not reach it.
FROM docker.io/library/rust:${RUST_VERSION}-bookworm AS skeleton
WORKDIR /build
COPY . .
RUN find . -name '*.rs' ! -name main.rs ! -name lib.rs ! -path '*/bin/*' -delete && \
    find . -name '*.rs' -exec sh -c 'echo "fn main() { }" >"$1"' sh {} \;

FROM docker.io/library/rust:${RUST_VERSION}-bookworm AS build
WORKDIR /build
COPY --from=skeleton /build .
RUN cargo build --locked --release --package amiseal
COPY . .
# Else Cargo takes the sources, whose times are those of the checkout, for older than what it has just built.
RUN find src -name '*.rs' -exec touch {} +
# The Git commit; it is a label of the metric amiseal_build_info.
ARG REVISION=unknown
RUN AMISEAL_REVISION="${REVISION}" cargo build --locked --release --package amiseal
# Debug information is ten times the size of the program. It goes into a file of its own, which the program names.
WORKDIR /out
RUN objcopy --only-keep-debug /build/target/release/amiseal amiseal.debug && \
    objcopy --strip-all --add-gnu-debuglink=amiseal.debug /build/target/release/amiseal amiseal

# The C library, certificates and a user; no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot AS base
LABEL org.opencontainers.image.title="amiseal" \
      org.opencontainers.image.description="Keeps every Amazon Machine Image encrypted under the key that its policy names" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY LICENSE /licenses/amiseal/LICENSE
COPY --from=build /out/amiseal /usr/local/bin/amiseal
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/amiseal"]
CMD ["run"]

# `--target debug`: panics in the log name functions and lines.
FROM base AS debug
COPY --from=build /out/amiseal.debug /usr/local/bin/amiseal.debug

# What is built without a target.
FROM base AS release
