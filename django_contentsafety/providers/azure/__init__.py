"""What Azure's providers are made of; the providers stand beside this folder."""
