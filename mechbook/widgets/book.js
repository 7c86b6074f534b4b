// @ts-check
// What Python knows and the scripts need: the hash of it all, the style sheet, and the colour of each role.
// mechbook/widgets/bundle.py declares BOOK before the bundle's first line.

export const { version, style, roles } = BOOK;
