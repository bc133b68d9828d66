-- A governance package is shown where one was asked for. Up to now every environment had ESSENTIALS, asked for or not.
UPDATE environment SET governance_package = '' WHERE governance_package = 'ESSENTIALS';
