// SPDX-License-Identifier: GPL-2.0

unsigned int rnfs4_helper_memalloc_nofs_save(void)
{
	return memalloc_nofs_save();
}

void rnfs4_helper_memalloc_nofs_restore(unsigned int flags)
{
	memalloc_nofs_restore(flags);
}
