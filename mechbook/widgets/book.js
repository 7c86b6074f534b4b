// @ts-check
// What Python knows and the scripts need: the hash of it all, the style sheet, the colour of each role,
// the script that trains beside the page, and its compiled kernels in base64.
// mechbook/widgets/bundle.py declares BOOK before the bundle's first line.

export const { version, style, roles, worker, kernels } = BOOK;
