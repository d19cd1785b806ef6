# A stand-in for the feed's rust-package.mk, written for the tests: it says what it would compile.
RUST_ARCH_DEPENDS:=@(aarch64||arm||mips||mipsel||x86_64)
CARGO_RUSTFLAGS+=-Ctarget-feature=-crt-static
CARGO_PKG_ARGS=--locked
Build/Compile=RUSTFLAGS="$(CARGO_RUSTFLAGS)" cargo install --features "$(RUST_PKG_FEATURES)" --root $(PKG_INSTALL_DIR) --path $(PKG_BUILD_DIR) $(CARGO_PKG_ARGS)

define RustBinPackage
  ifndef Package/$(1)/install
    $$(error the stand-in has no install recipe of its own)
  endif
endef
