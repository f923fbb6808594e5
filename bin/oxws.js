#!/usr/bin/env node
// @ts-check
'use strict';

// The command `oxws`.

require('../lib/node-version');
require('./cli/main').main(process.argv.slice(2));
