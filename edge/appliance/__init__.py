"""The appliance: releases, how they are made, put in force and taken back."""
