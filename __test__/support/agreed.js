'use strict';

const { promisify } = require('node:util');

const PerMessageDeflate = require('../../lib/permessage-deflate');

/** An extension that was negotiated with itself. */
function agreed(options = {}, parameters = {}, Class = PerMessageDeflate) {
  const extension = new Class(options);
  const lists = Object.entries(parameters).map(([name, value]) => [name, [value]]);
  extension.accept([Object.fromEntries(lists)]);
  const compress = promisify(extension.compress.bind(extension));
  const decompress = promisify(extension.decompress.bind(extension));
  return { extension, compress, decompress };
}

module.exports = agreed;
