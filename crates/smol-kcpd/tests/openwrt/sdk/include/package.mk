# A stand-in for OpenWrt's package.mk, written for the tests: it prints what a package says of
# itself, prepares its sources, and installs into WORK instead of packing.
PKG_BUILD_DIR:=$(WORK)/build/$(PKG_NAME)-$(PKG_VERSION)
PKG_INSTALL_DIR:=$(WORK)/ipkg-install

PACKAGE_FIELDS:=PKG_NAME PKG_VERSION PKG_RELEASE PKG_MAINTAINER PKG_LICENSE PKG_LICENSE_FILES \
	PKG_BUILD_DEPENDS PKG_BUILD_PARALLEL SECTION CATEGORY SUBMENU TITLE DEPENDS USERID

define BuildPackage
$(eval $(Package/$(1)))
fields:
	$$(foreach field,$(PACKAGE_FIELDS),$$(info $$(field)=$$(strip $$($$(field)))))@:

description:
	$$(info $$(Package/$(1)/description))@:

conffiles:
	$$(info $$(Package/$(1)/conffiles))@:

prepare:
	$$(Build/Prepare)

compile:
	$$(info $$(Build/Compile))@:

install:
	$$(call Package/$(1)/install,$(WORK)/root)
endef
