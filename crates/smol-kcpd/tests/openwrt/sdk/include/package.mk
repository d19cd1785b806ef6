# A stand-in for OpenWrt's package.mk, written for the tests: it prints what a package says of
# itself, prepares its sources, and installs into WORK instead of packing.
PKG_BUILD_DIR:=$(WORK)/build/$(PKG_NAME)-$(PKG_VERSION)
PKG_INSTALL_DIR:=$(WORK)/ipkg-install

PACKAGE_FIELDS:=PKG_NAME PKG_VERSION PKG_RELEASE PKG_MAINTAINER PKG_LICENSE PKG_LICENSE_FILES \
	PKG_BUILD_DEPENDS PKG_BUILD_PARALLEL SECTION CATEGORY SUBMENU TITLE DEPENDS USERID PKGARCH

# A Makefile may have several packages: their names are part of the goals.
define BuildPackage
fields-$(1):
	$$(eval $$(Package/$(1)))$$(foreach field,$(PACKAGE_FIELDS),$$(info $$(field)=$$(strip $$($$(field)))))@:

description-$(1):
	$$(info $$(Package/$(1)/description))@:

conffiles-$(1):
	$$(info $$(Package/$(1)/conffiles))@:

prepare-$(1):
	$$(Build/Prepare)

compile-$(1):
	$$(info $$(Build/Compile))@:

postinst-$(1):
	$$(info $$(Package/$(1)/postinst))@:

install-$(1):
	$$(call Package/$(1)/install,$(WORK)/root)
endef
