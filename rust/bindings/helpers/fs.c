// SPDX-License-Identifier: GPL-2.0

loff_t rnfs4_helper_i_size_read(const struct inode *inode)
{
	return i_size_read(inode);
}
