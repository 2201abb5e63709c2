// SPDX-License-Identifier: GPL-2.0

loff_t rnfs4_helper_folio_pos(const struct folio *folio)
{
	return folio_pos(folio);
}
