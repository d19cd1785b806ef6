# A stand-in for the feed's rust-package.mk, written for the tests: it says what it would compile.
RUST_ARCH_DEPENDS:=@(aarch64||arm||mips||mipsel||x86_64)
CARGO_RUSTFLAGS+=-Ctarget-feature=-crt-static
CARGO_PKG_ARGS=--locked
# $(1): folder of the crate in the sources
define Build/Compile/Cargo
RUSTFLAGS="$(CARGO_RUSTFLAGS)" cargo install --root $(PKG_INSTALL_DIR) --path "$(PKG_BUILD_DIR)/$(1)" $(CARGO_PKG_ARGS)
endef
Build/Compile=$(call Build/Compile/Cargo)

define RustBinPackage
  ifndef Package/$(1)/install
    $$(error the stand-in has no install recipe of its own)
  endif
endef
